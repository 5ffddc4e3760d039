//! Data sets that are downloaded once, from their public homes.

use crate::DataError;
use download::{Checksum, Progress, Source, cache_folder, fetch as fetch_file};
use std::path::PathBuf;

/// A data set: its files, and whether they are read as a folder or as one archive.
struct Published {
    name: &'static str,
    /// The folder of the addresses.
    home: &'static str,
    /// Names and MD5 sums, as the publishers (and torchvision) give them.
    files: &'static [(&'static str, &'static str)],
}

const PUBLISHED: [Published; 4] = [
    Published {
        name: "cifar10",
        home: "https://www.cs.toronto.edu/~kriz/",
        files: &[("cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530")],
    },
    Published {
        name: "cifar100",
        home: "https://www.cs.toronto.edu/~kriz/",
        files: &[("cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8")],
    },
    Published {
        name: "mnist",
        home: "https://ossci-datasets.s3.amazonaws.com/mnist/",
        files: &[
            ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
            ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
            ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
            ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
        ],
    },
    Published {
        name: "fashion-mnist",
        home: "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        files: &[
            ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
            ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
            ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
            ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
        ],
    },
];

/// Where a data set lies after it was downloaded, if it was not there already: its archive, or the folder of its files.
pub(super) fn fetch(name: &str, progress: &mut dyn FnMut(&str, Progress)) -> Result<PathBuf, DataError> {
    let Some(published) = PUBLISHED.iter().find(|published| published.name == name) else {
        let names: Vec<&str> = PUBLISHED.iter().map(|published| published.name).collect();
        let message = format!("names no data set that can be downloaded: there are {}", names.join(", "));
        return Err(DataError::Config { key: "source", message });
    };
    let folder = cache_folder().join("datasets").join(name);
    let mut last = folder.clone();
    for (file_name, md5) in published.files {
        let source = Source {
            url: format!("{}{file_name}", published.home),
            file_name: (*file_name).to_owned(),
            checksum: Checksum::Md5((*md5).to_owned()),
            size: None,
        };
        last = fetch_file(&source, &folder, &mut |done| progress(file_name, done))?;
    }
    Ok(if published.files.len() == 1 { last } else { folder })
}
