//! Sections and keys (systemd.syntax(7)).
