//! Tests that need no server.

mod letters;
mod letters_mail;
mod letters_world;
