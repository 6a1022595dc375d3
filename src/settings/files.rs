//! `[files]`: where the files of answers lie.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::section::Section;

/// `[files]`: where the files of answers lie.
#[derive(Clone, Debug)]
pub enum FilesSettings {
    /// In a folder of this machine.
    Folder(PathBuf),
    /// In a bucket of an S3 service.
    Bucket(BucketSettings),
}

/// A bucket of an S3 service.
#[derive(Clone, Debug)]
pub struct BucketSettings {
    /// Its name.
    pub bucket: String,
    /// Address of the service; Amazon's if none.
    pub endpoint: Option<String>,
    /// Its region.
    pub region: String,
    /// What stands before the names of our files; empty for none.
    pub prefix: String,
    /// Name and secret of the access key; what the environment says (`AWS_ACCESS_KEY_ID` and so on) if none.
    pub access: Option<(String, SecretString)>,
}

impl FilesSettings {
    /// Beside the data, where nothing is said.
    pub(super) fn usual(beside: &Path) -> FilesSettings {
        FilesSettings::Folder(beside.join("files"))
    }
}

pub(super) fn files(section: &Section<'_, '_>) -> Option<FilesSettings> {
    if !section.has("bucket") {
        for key in ["endpoint", "region", "prefix", "access_key", "password_file", "password_env"] {
            if section.has(key) {
                section.wrong_value(key, "says nothing without a bucket", "name the bucket, or remove it");
                return None;
            }
        }
        if !section.has("folder") {
            section.missing("folder", "for example folder = \"../data/files\", or bucket = \"NAME\"");
        }
        return section.path("folder").map(FilesSettings::Folder);
    }
    if section.has("folder") {
        section.wrong_value("folder", "there is a bucket, too", "keep one of the two");
        return None;
    }
    let bucket = section.text("bucket", "hagaki-files");
    let endpoint = section.optional_text("endpoint");
    if let Some(address) = endpoint.as_deref().filter(|one| !one.starts_with("https://") && !one.starts_with("http://"))
    {
        let right = "begin with https:// (or http:// on a closed network)";
        section.wrong_value("endpoint", &format!("\"{address}\" is no address of a service"), right);
        return None;
    }
    let region = section.optional_text("region").unwrap_or_else(|| "us-east-1".to_owned());
    let prefix = section.optional_text("prefix").unwrap_or_default();
    let access = match section.optional_text("access_key") {
        Some(name) => Some((name, section.required_secret()?)),
        None => {
            for key in ["password_file", "password_env"] {
                if section.has(key) {
                    section.wrong_value(key, "is the secret of no access key", "name the key with access_key");
                    return None;
                }
            }
            None
        }
    };
    Some(FilesSettings::Bucket(BucketSettings { bucket: bucket?, endpoint, region, prefix, access }))
}
