//! A folder of its own for a vault, and each way to keep its key.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use atoll_ports::vault::{Keep, Strength, Vault};
use atoll_vault::{AgeVault, CREDENTIAL, Keychain, KeychainError, Options};
use testkit::vault::{Ground, value};
use zeroize::Zeroizing;

pub const PHRASE: &str = "correct horse battery";

/// A keychain in memory: the one of the system is nobody's to test with.
#[derive(Default)]
pub struct Chain {
    pub kept: Mutex<BTreeMap<String, String>>,
    pub locked: Mutex<bool>,
}

impl Chain {
    fn open(&self) -> Result<(), KeychainError> {
        match *self.locked.lock().unwrap() {
            true => Err(KeychainError::Slow),
            false => Ok(()),
        }
    }
}

impl Keychain for Chain {
    fn there(&self) -> bool {
        true
    }
    fn get(&self, account: &str) -> Result<Option<Zeroizing<String>>, KeychainError> {
        self.open()?;
        Ok(self
            .kept
            .lock()
            .unwrap()
            .get(account)
            .cloned()
            .map(Zeroizing::new))
    }
    fn set(&self, account: &str, text: Zeroizing<String>) -> Result<(), KeychainError> {
        self.open()?;
        self.kept
            .lock()
            .unwrap()
            .insert(account.into(), text.to_string());
        Ok(())
    }
}

pub struct Place {
    pub dir: tempfile::TempDir,
    pub chain: Arc<Chain>,
    pub keeps: Strength,
}

impl Place {
    pub fn new(keeps: Strength) -> Place {
        let dir = tempfile::tempdir().unwrap();
        if keeps == Strength::Credentials {
            let credentials = dir.path().join("credentials");
            std::fs::create_dir(&credentials).unwrap();
            // As `age-keygen` writes it; a key that nothing else uses.
            let key = "# created: 2026-01-01T00:00:00Z\n# public key: age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj\nAGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX\n";
            let file = credentials.join(CREDENTIAL);
            std::fs::write(&file, key).unwrap();
            private(&file, 0o400);
        }
        Place {
            dir,
            chain: Arc::default(),
            keeps,
        }
    }

    pub fn folder(&self) -> PathBuf {
        self.dir.path().join("vault")
    }
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }
    pub fn vault(&self) -> AgeVault {
        let credentials = self.dir.path().join("credentials");
        AgeVault::new(Options {
            credentials: credentials.exists().then_some(credentials),
            keychain: self.chain.clone(),
            work: 4,
            ..Options::new(self.folder())
        })
    }
    /// A vault with one secret, `a`.
    pub fn filled(&self) -> AgeVault {
        let vault = self.vault();
        vault.make(self.keep()).unwrap();
        let (name, value) = (testkit::vault::name("a"), value("v4lue"));
        vault.set(&name, value, false, atoll_domain::Ms(1)).unwrap();
        vault
    }
}

pub fn private(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

impl Ground for Place {
    fn open(&self) -> Arc<dyn Vault> {
        Arc::new(self.vault())
    }
    fn keep(&self) -> Keep {
        match self.keeps {
            Strength::Keychain => Keep::Keychain,
            Strength::Passphrase => Keep::Passphrase(value(PHRASE)),
            Strength::Credentials => Keep::Credentials,
            Strength::KeyFile | Strength::Memory => Keep::KeyFile,
        }
    }
    fn unlock(&self, vault: &dyn Vault) {
        vault.unlock(value(PHRASE)).unwrap();
    }
    fn strength(&self) -> Strength {
        self.keeps
    }
}
