//! allocation.toml
