//! Random changes of training pictures.
