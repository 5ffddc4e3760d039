use super::{Vectors, is_npy};
use crate::DataError;
use npyz::WriterBuilder;
use std::fs::{self, File};
use std::io::{BufWriter, Error, Write};
use std::path::{Path, PathBuf};

impl Vectors {
    /// Writes the table, so that [`load`](Self::load) reads it again: a `.npy` file, and beside it `<name>.labels.txt` where there are labels;
    /// one that an older table left there is removed where there are none;
    /// or a `.csv` file with the columns `name`, `label` where there are labels, and `f1`, `f2`, …. Tells which files there are now.
    ///
    /// # Errors
    /// Those of [`check_ending`], and [`DataError`] for a path that cannot be written to.
    pub fn save(&self, path: &Path) -> Result<Vec<PathBuf>, DataError> {
        check_ending(path)?;
        if is_npy(path) {
            return self.save_npy(path);
        }
        self.write_csv(path).map_err(DataError::writing(path))?;
        Ok(vec![path.to_owned()])
    }

    fn save_npy(&self, path: &Path) -> Result<Vec<PathBuf>, DataError> {
        self.write_npy(path).map_err(DataError::writing(path))?;
        let mut written = vec![path.to_owned()];
        let beside = path.with_extension("labels.txt");
        if self.labels.is_empty() {
            // Those of the table that lay there before: they would be read as this one's.
            if beside.is_file() {
                fs::remove_file(&beside).map_err(DataError::writing(&beside))?;
            }
        } else {
            let lines: String = self.labels.iter().map(|label| format!("{}\n", self.label_names[*label])).collect();
            fs::write(&beside, lines).map_err(DataError::writing(&beside))?;
            written.push(beside);
        }
        Ok(written)
    }

    fn write_npy(&self, path: &Path) -> std::io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        let shape = [self.rows as u64, self.columns as u64];
        let mut writer = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(&mut file).begin_nd()?;
        writer.extend(self.values.iter().copied())?;
        writer.finish()?;
        file.flush()
    }

    fn write_csv(&self, path: &Path) -> std::io::Result<()> {
        let mut writer = csv::Writer::from_path(path).map_err(io_error)?;
        let label = (!self.labels.is_empty()).then(|| "label".to_owned());
        let columns = (1..=self.columns).map(|column| format!("f{column}"));
        writer.write_record(std::iter::once("name".to_owned()).chain(label).chain(columns)).map_err(io_error)?;
        for row in 0..self.rows {
            let label = self.labels.get(row).map(|label| self.label_names[*label].clone());
            let numbers = self.values[row * self.columns..][..self.columns].iter().map(f32::to_string);
            writer
                .write_record(std::iter::once(self.names[row].clone()).chain(label).chain(numbers))
                .map_err(io_error)?;
        }
        writer.flush()
    }
}

/// Whether a table can be written under this name.
///
/// # Errors
/// [`DataError::BadTable`] where it ends in something other than .npy and .csv.
pub fn check_ending(path: &Path) -> Result<(), DataError> {
    let is_csv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    if is_npy(path) || is_csv {
        return Ok(());
    }
    let message = "a file that ends in .npy or .csv is expected".to_owned();
    Err(DataError::BadTable { path: path.to_owned(), message })
}

fn io_error(error: csv::Error) -> Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => Error::other(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use crate::vectors::{Vectors, VectorsConfig};

    #[test]
    fn a_table_reads_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let table = Vectors {
            values: vec![1.0, 2.5, -3.0, 0.25, 5.0, 6.0],
            rows: 3,
            columns: 2,
            labels: vec![1, 0, 1],
            label_names: vec!["cat".to_owned(), "dog, wet".to_owned()],
            names: ["a", "b", "c"].map(str::to_owned).to_vec(),
            ..Vectors::default()
        };
        for (file, labels, ignored) in [("t.npy", "t.labels.txt", vec![]), ("t.csv", "label", vec!["name".to_owned()])]
        {
            let path = folder.path().join(file);
            let written = table.save(&path).unwrap();
            assert!(written.iter().all(|path| path.is_file()), "{written:?}");
            let beside = if file == "t.npy" { written[1].display().to_string() } else { labels.to_owned() };
            let source = path.display().to_string();
            let config = VectorsConfig { source, labels: Some(beside), ignored, image_size: None };
            let read = Vectors::load(&config).unwrap();
            assert_eq!(
                (&read.values, &read.labels, &read.label_names),
                (&table.values, &table.labels, &table.label_names)
            );
        }
        let unlabelled = Vectors { labels: Vec::new(), label_names: Vec::new(), ..table.clone() };
        let written = unlabelled.save(&folder.path().join("t.npy")).unwrap();
        assert_eq!(written, [folder.path().join("t.npy")]);
        assert!(!folder.path().join("t.labels.txt").exists(), "no labels of another table");
        let error = table.save(&folder.path().join("t.txt")).unwrap_err().to_string();
        assert!(error.contains(".npy") && error.contains(".csv"), "{error}");
    }
}
