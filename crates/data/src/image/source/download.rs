//! Data sets that are downloaded once, from their public homes.

use super::Source;
use crate::DataError;
use download::{Checksum, Progress, cache_folder, fetch};
use std::path::PathBuf;

/// A data set: its files, which are read as a folder, or as an archive where there is one only.
pub(super) struct Published {
    name: &'static str,
    /// The folder of the addresses.
    home: &'static str,
    /// Names and MD5 sums, as the publishers (and torchvision) give them.
    files: &'static [(&'static str, &'static str)],
    /// What its classes are called where its files only number them.
    classes: &'static [&'static str],
}

const PUBLISHED: [Published; 4] = [
    Published {
        name: "cifar10",
        home: "https://www.cs.toronto.edu/~kriz/",
        files: &[("cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530")],
        classes: &[],
    },
    Published {
        name: "cifar100",
        home: "https://www.cs.toronto.edu/~kriz/",
        files: &[("cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8")],
        classes: &[],
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
        classes: &[],
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
        classes: &[
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ],
    },
];

/// The data set that is called `name`.
pub(super) fn find(name: &str) -> Result<&'static Published, DataError> {
    PUBLISHED.iter().find(|published| published.name == name).ok_or_else(|| {
        let names: Vec<&str> = PUBLISHED.iter().map(|published| published.name).collect();
        let message = format!("names no data set that can be downloaded: there are {}", names.join(", "));
        DataError::Config { key: "source", message }
    })
}

impl Published {
    /// Downloads the files that are not there already. Returns the archive, or the folder of the files.
    pub fn fetch(&self, progress: &mut dyn FnMut(&str, Progress)) -> Result<PathBuf, DataError> {
        let folder = cache_folder().join("datasets").join(self.name);
        let mut last = folder.clone();
        for (file_name, md5) in self.files {
            let source = download::Source {
                url: format!("{}{file_name}", self.home),
                file_name: (*file_name).to_owned(),
                checksum: Checksum::Md5((*md5).to_owned()),
                size: None,
            };
            last = fetch(&source, &folder, &mut |done| progress(file_name, done))?;
        }
        Ok(if self.files.len() == 1 { last } else { folder })
    }

    /// What was read from its files, with the names of its classes in place of their numbers.
    pub fn name_classes(&self, mut source: Source) -> Source {
        let named = |number: &str| number.parse().ok().and_then(|number: usize| self.classes.get(number));
        let labels = source.found.iter_mut().flat_map(|found| &mut found.labels);
        for class in labels.chain(source.classes.iter_mut().flatten()) {
            if let Some(name) = named(class) {
                *class = (*name).to_owned();
            }
        }
        source
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Found, Pixels};
    use super::*;
    use crate::image::Image;

    #[test]
    fn numbers_become_names_where_there_are_names() {
        let image = || Pixels::Raw(Image { width: 1, height: 1, channels: 1, pixels: vec![0] });
        let found = |number: usize| Found {
            name: String::new(),
            labels: vec![number.to_string()],
            part: None,
            pixels: image(),
        };
        let source = || Source {
            root: PathBuf::new(),
            found: vec![found(9), found(0)],
            classes: Some(vec!["0".to_owned(), "9".to_owned()]),
        };
        let fashion = find("fashion-mnist").unwrap().name_classes(source());
        assert_eq!(
            fashion.found.iter().map(|found| found.labels[0].as_str()).collect::<Vec<_>>(),
            ["Ankle boot", "T-shirt/top"]
        );
        assert_eq!(fashion.classes.unwrap(), ["T-shirt/top", "Ankle boot"]);
        assert_eq!(find("mnist").unwrap().name_classes(source()).classes.unwrap(), ["0", "9"]);
    }
}
