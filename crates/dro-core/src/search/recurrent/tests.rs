//! Tests of the recurrent search.
