//! A bundle of files → a [`Study`](crate::domain::study::Study), or every problem at once.

pub mod allocation_file;
pub mod problem;
