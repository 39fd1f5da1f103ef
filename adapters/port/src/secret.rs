//! A secret that a configuration refers to: where it is, never what it is.

use std::{
    env, fmt, fs,
    hint::black_box,
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
};
use thiserror::Error;

/// Longest secret, in bytes: a chain of certificates has some KiB, and what is longer is another file.
pub const MAX_SECRET_BYTES: usize = 64 * 1024;

/// A reference to a secret: `{env: NAME}` or `{file: path}`.
///
/// What it refers to is read when it is needed, so that a secret that was renewed is found again; it is in no configuration, no
/// log and no answer. `Debug`, `Display` and `Serialize` give `<from file /x>` or `<from environment NAME>`.
///
/// ```
/// # use homeostat_port::Secret;
/// let token: Secret = serde_json::from_str(r#"{"file": "/run/secrets/token"}"#).unwrap();
/// assert_eq!(token.to_string(), "<from file /run/secrets/token>");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret {
    from: From,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum From {
    Environment(String),
    File(PathBuf),
}

/// The text of a secret. It shows itself only to who asks for it by [`SecretText::expose`].
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

/// A secret that cannot be used; it says where it was looked for.
#[derive(Debug, Error)]
pub enum SecretError {
    /// There is no such variable.
    #[error("the environment variable {0} is not set; set it for homeostat, or give the secret as {{file: path}}")]
    NotSet(String),
    /// The file cannot be read.
    #[error("the secret's file {file} cannot be read: {error}; it has to be there, and readable by homeostat's user", file = .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// There is nothing in it.
    #[error("the secret {0} is empty; put it there, in one line")]
    Empty(Secret),
    /// There is too much in it.
    #[error("the secret {0} has more than {MAX_SECRET_BYTES} bytes; give the file that holds the secret alone")]
    TooLong(Secret),
    /// It is no text.
    #[error("the secret {0} is not UTF-8; write it as text, such as base64")]
    NotText(Secret),
}

impl Secret {
    /// What a deserializer is told when it is about to read a secret: the one of the configuration takes note of its place, and
    /// resolves its path.
    pub const MARK: &'static str = "homeostat::Secret";

    /// One that is in the environment.
    #[must_use]
    pub fn from_environment(name: impl Into<String>) -> Self {
        Self { from: From::Environment(name.into()) }
    }

    /// One that is in a file.
    #[must_use]
    pub fn from_file(path: impl Into<PathBuf>) -> Self {
        Self { from: From::File(path.into()) }
    }

    /// The file that it is in, if it is in one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &self.from {
            From::Environment(_) => None,
            From::File(path) => Some(path),
        }
    }

    /// Reads it, as it is now; the end of the line at the end of a file is no part of it.
    ///
    /// # Errors
    /// [`SecretError`] when there is none, or nothing that can be one.
    pub fn read(&self) -> Result<SecretText, SecretError> {
        let bytes = match &self.from {
            From::Environment(name) => match env::var_os(name) {
                Some(text) => text.into_encoded_bytes(),
                None => return Err(SecretError::NotSet(name.clone())),
            },
            From::File(file) => bounded(file).map_err(|error| SecretError::Unreadable { file: file.clone(), error })?,
        };
        if bytes.len() > MAX_SECRET_BYTES {
            return Err(SecretError::TooLong(self.clone()));
        }
        let Ok(mut text) = String::from_utf8(bytes) else { return Err(SecretError::NotText(self.clone())) };
        if self.file().is_some() {
            text.truncate(text.trim_end_matches(['\n', '\r']).len());
        }
        if text.trim().is_empty() { Err(SecretError::Empty(self.clone())) } else { Ok(SecretText(text)) }
    }
}

/// The file's content, and no more of it than shows that it is too long.
fn bounded(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_SECRET_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    fs::File::open(file)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl SecretText {
    /// The secret itself, for whoever has to send it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `given` is the secret. How long that takes depends on the length of `given` alone, so that nobody finds the
    /// secret out letter by letter.
    #[must_use]
    pub fn is(&self, given: &[u8]) -> bool {
        let own = self.0.as_bytes();
        let mut different = u8::from(own.len() != given.len());
        // One that is shorter is compared from its begin again: only the lengths tell that it is not the same.
        for (given, own) in given.iter().zip(own.iter().cycle()) {
            different |= black_box(given ^ own);
        }
        black_box(different) == 0
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.from {
            From::Environment(name) => write!(f, "<from environment {name}>"),
            From::File(path) => write!(f, "<from file {}>", path.display()),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<a secret>")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The form in which it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    env: Option<String>,
    file: Option<PathBuf>,
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(Self::MARK, Reference)
    }
}

struct Reference;

impl<'de> Visitor<'de> for Reference {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{env: NAME} or {file: path}")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Secret, D::Error> {
        match Written::deserialize(deserializer)? {
            Written { env: Some(name), file: None } => {
                let usable = !name.is_empty() && !name.contains(['=', '\0']);
                if usable {
                    Ok(Secret::from_environment(name))
                } else {
                    Err(D::Error::custom(
                        "this is not the name of an environment variable; write one such as {env: HOMEOSTAT_TOKEN}",
                    ))
                }
            }
            Written { env: None, file: Some(path) } => Ok(Secret::from_file(path)),
            _ => Err(D::Error::custom("a secret is in one place; write {env: NAME} or {file: path}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_references_are_read() {
        for (json, expected) in [
            (r#"{"env": "TOKEN"}"#, Ok("<from environment TOKEN>")),
            (r#"{"file": "/x"}"#, Ok("<from file /x>")),
            (r#"{"file": "/x", "env": "TOKEN"}"#, Err("in one place")),
            ("{}", Err("in one place")),
            (r#"{"env": "A=B"}"#, Err("not the name of an environment variable")),
            (r#"{"fil": "/x"}"#, Err("unknown field `fil`")),
            (r#""hunter2""#, Err("invalid type")),
        ] {
            match (serde_json::from_str::<Secret>(json), expected) {
                (Ok(secret), Ok(shown)) => {
                    assert_eq!(secret.to_string(), shown);
                    assert_eq!(format!("{secret:?}"), shown);
                    assert_eq!(serde_json::to_value(&secret).unwrap(), shown);
                }
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{json}: {error}"),
                (found, expected) => panic!("{json}: {found:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn a_file_is_read_anew_each_time_without_the_end_of_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let secret = Secret::from_file(&file);
        assert!(matches!(secret.read(), Err(SecretError::Unreadable { .. })));
        let long = "x".repeat(MAX_SECRET_BYTES);
        for (content, expected) in [
            ("hunter2\n".as_bytes(), Ok("hunter2")),
            (b"hunter3", Ok("hunter3")),
            (b" two\nlines \r\n", Ok(" two\nlines ")),
            (b"\n", Err("is empty")),
            (b" \n", Err("is empty")),
            (b"\xff\xfe", Err("not UTF-8")),
            (long.as_bytes(), Ok(long.as_str())),
            ([long.as_bytes(), b"x"].concat().as_slice(), Err("more than 65536 bytes")),
        ] {
            fs::write(&file, content).unwrap();
            match (secret.read(), expected) {
                (Ok(text), Ok(expected)) => assert_eq!(text.expose(), expected),
                (Err(error), Err(part)) => {
                    let said = error.to_string();
                    assert!(said.contains(part) && said.contains(&file.display().to_string()), "{said}");
                }
                (found, expected) => panic!("{content:?}: {found:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn the_environment_is_read_and_its_absence_is_said() {
        assert_eq!(Secret::from_environment("PATH").read().unwrap().expose(), env::var("PATH").unwrap());
        let missing = Secret::from_environment("HOMEOSTAT_NO_SUCH_TOKEN").read().unwrap_err().to_string();
        assert!(missing.contains("HOMEOSTAT_NO_SUCH_TOKEN is not set"), "{missing}");
    }

    #[test]
    fn a_text_shows_itself_to_nobody_and_is_compared_as_a_whole() {
        let text = SecretText("hunter2".into());
        assert!(!format!("{text:?}").contains("hunter"));
        for (given, same) in [
            ("hunter2", true),
            ("hunter3", false),
            ("Hunter2", false),
            ("hunter", false),
            ("hunter22", false),
            ("hunter2hunter2", false),
            ("", false),
        ] {
            assert_eq!(text.is(given.as_bytes()), same, "{given}");
        }
    }
}
