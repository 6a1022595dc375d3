//! Secrets and authentication codes in our addresses: one-time reply tokens, site tokens, bounce addresses (VERP).
