//! Whether a file could be appended to, found out without making or changing anything.

use std::io;
use std::path::Path;

use rustix::fs::{Access, access};

/// What is there, and can be appended to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFound {
    File {
        bytes: u64,
    },
    /// It would be made.
    Nothing,
}

/// # Errors
/// Says why it could not be appended to: what `consume` would meet.
pub fn probe_file(path: &Path) -> io::Result<FileFound> {
    match path.metadata() {
        Ok(metadata) if !metadata.is_file() => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")),
        Ok(metadata) => {
            access(path, Access::READ_OK | Access::WRITE_OK)?;
            Ok(FileFound::File { bytes: metadata.len() })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let told = |error: io::Error| io::Error::new(error.kind(), format!("its folder {}: {error}", folder.display()));
            if !folder.metadata().map_err(told)?.is_dir() {
                return Err(told(io::ErrorKind::NotADirectory.into()));
            }
            access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| told(error.into()))?;
            Ok(FileFound::Nothing)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_made_or_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("torn"), "{\"x").unwrap();
        assert_eq!(probe_file(&path("torn")).unwrap(), FileFound::File { bytes: 3 });
        assert_eq!(probe_file(&path("new")).unwrap(), FileFound::Nothing);
        assert_eq!(std::fs::read(path("torn")).unwrap(), b"{\"x");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_written_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("file"), "").unwrap();
        for (bad, said) in [
            (folder.path().to_owned(), "it is not a regular file"),
            (path("missing/audit.jsonl"), "its folder"),
            (path("file/audit.jsonl"), "Not a directory"),
        ] {
            let error = probe_file(&bad).unwrap_err().to_string();
            assert!(error.starts_with(said), "{error}");
        }
    }
}
