//! The suite of all vaults, over each keeper of the key.

testkit::vault_conformance!(
    passphrase,
    crate::kit::Place::new(atoll_ports::vault::Strength::Passphrase)
);
testkit::vault_conformance!(
    key_file,
    crate::kit::Place::new(atoll_ports::vault::Strength::KeyFile)
);
testkit::vault_conformance!(
    credentials,
    crate::kit::Place::new(atoll_ports::vault::Strength::Credentials)
);
testkit::vault_conformance!(
    keychain,
    crate::kit::Place::new(atoll_ports::vault::Strength::Keychain)
);
