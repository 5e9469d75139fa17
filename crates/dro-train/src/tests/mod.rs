mod checkpoint;
mod descent;
mod estimators;
mod loss;
mod session;
mod toy;
