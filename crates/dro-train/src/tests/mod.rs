mod checkpoint;
mod descent;
mod estimators;
mod loss;
mod session;
mod tensor;
mod tensor_estimators;
mod toy;
