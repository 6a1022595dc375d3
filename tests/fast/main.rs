//! The fast half of the tests: no server, no network, no database server.

mod house;
