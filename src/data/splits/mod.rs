//! Who may see what: subjects in roles, with a proof.
