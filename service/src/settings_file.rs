//! Settings that come from files, as secrets should: what stands in a file stands in no list of processes.

use std::fmt;
use std::fs;
use std::str::FromStr;

/// The content of a file that was named in place of a secret, without the line break at its end. It is not shown, nor
/// is anything of it in an error.
#[derive(Clone)]
pub struct SecretFile(String);

impl SecretFile {
    /// The secret.
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretFile(…)")
    }
}

impl FromStr for SecretFile {
    type Err = String;

    fn from_str(path: &str) -> Result<Self, String> {
        let content = read(path)?;
        match content.trim_end_matches(['\r', '\n']) {
            "" => Err(format!("{path} is empty")),
            secret => Ok(Self(secret.to_owned())),
        }
    }
}

/// The settings of a properties file: one `key=value` a line, with comments behind `#` or `!` in lines of their own.
#[derive(Clone, Default)]
pub struct PropertiesFile(Vec<(String, String)>);

impl PropertiesFile {
    /// The settings, in the order of the file.
    pub fn properties(&self) -> &[(String, String)] {
        &self.0
    }
}

/// The keys only: a value may be a password.
impl fmt::Debug for PropertiesFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0.iter().map(|(key, _)| key)).finish()
    }
}

impl FromStr for PropertiesFile {
    type Err = String;

    fn from_str(path: &str) -> Result<Self, String> {
        let content = read(path)?;
        let lines = (1..).zip(content.lines().map(str::trim));
        let settings = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with(['#', '!']));
        settings
            .map(|(number, line)| property(line).map_err(|error| format!("{path}, line {number}: {error}")))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// The two sides of `key=value`.
///
/// # Errors
///
/// It is not of this form. The message does not repeat it: it may hold a password.
pub(crate) fn property(text: &str) -> Result<(String, String), String> {
    match text.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("is not of the form key=value".to_owned()),
    }
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("could not read {path}: {error}"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// What is made of a file with this content, without the path where it is named.
    fn of_file<T: FromStr<Err = String>>(content: &str) -> Result<T, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, content).unwrap();
        let path = path.to_str().unwrap();
        path.parse().map_err(|error: String| error.replace(path, "FILE"))
    }

    #[test]
    fn a_secret_is_all_but_the_last_line_break() {
        for (content, expected) in [
            ("smtp://a:b@c\n", Ok("smtp://a:b@c")),
            ("s", Ok("s")),
            (" s \r\n", Ok(" s ")),
            ("\n", Err("FILE is empty")),
        ] {
            let secret = of_file::<SecretFile>(content);
            let secret = secret.as_ref().map(SecretFile::secret).map_err(String::as_str);
            assert_eq!(secret, expected, "{content:?}");
        }
    }

    #[test]
    fn properties_are_read_line_by_line() {
        let content = "# to the cluster\n\nsecurity.protocol = SASL_SSL\nsasl.password=a=b\n! end\n";
        let file = of_file::<PropertiesFile>(content).unwrap();
        let expected = [("security.protocol", "SASL_SSL"), ("sasl.password", "a=b")];
        assert_eq!(file.properties(), expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
        assert_eq!(of_file::<PropertiesFile>("").unwrap().properties(), []);
    }

    #[test]
    fn what_cannot_be_read_is_named_without_its_content() {
        let error = of_file::<PropertiesFile>("a=b\nsecret").unwrap_err();
        assert_eq!(error, "FILE, line 2: is not of the form key=value");
        let error = "/no/such/file".parse::<SecretFile>().unwrap_err();
        assert!(error.starts_with("could not read /no/such/file: No such file"), "{error}");
        assert!(!format!("{:?}", of_file::<SecretFile>("secret").unwrap()).contains("secret"));
        assert!(!format!("{:?}", of_file::<PropertiesFile>("a=secret").unwrap()).contains("secret"));
    }
}
