use super::*;

const TIME: Duration = Duration::from_millis(1_700_000_000_500);

/// One record as read by `read_records`: protobuf fields in their order, nested ones still as bytes.
type Fields = Vec<(u32, Field)>;

#[derive(Debug, PartialEq)]
enum Field {
    Varint(u64),
    Fixed64(u64),
    Bytes(Vec<u8>),
    Fixed32(u32),
}

/// CRC-32C a bit at a time, from its polynomial, so that the check does not lean on the crate that wrote the sum.
fn slow_masked_crc(data: &[u8]) -> u32 {
    let mut crc = !0u32;
    for byte in data {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82F6_3B78 & (crc & 1).wrapping_neg());
        }
    }
    (!crc).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn take<'a>(data: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (head, tail) = data.split_at(count);
    *data = tail;
    head
}

fn take_u32(data: &mut &[u8]) -> u32 {
    u32::from_le_bytes(take(data, 4).try_into().unwrap())
}

fn take_u64(data: &mut &[u8]) -> u64 {
    u64::from_le_bytes(take(data, 8).try_into().unwrap())
}

fn take_varint(data: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = take(data, 1)[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

fn fields(mut data: &[u8]) -> Fields {
    let mut fields = Vec::new();
    while !data.is_empty() {
        let key = take_varint(&mut data);
        let field = match key & 7 {
            0 => Field::Varint(take_varint(&mut data)),
            1 => Field::Fixed64(take_u64(&mut data)),
            2 => {
                let length = take_varint(&mut data) as usize;
                Field::Bytes(take(&mut data, length).to_vec())
            }
            5 => Field::Fixed32(take_u32(&mut data)),
            wire => panic!("wire type {wire}"),
        };
        fields.push(((key >> 3) as u32, field));
    }
    fields
}

fn read_records(mut file: &[u8]) -> Vec<Fields> {
    let mut records = Vec::new();
    while !file.is_empty() {
        let length = take(&mut file, 8);
        assert_eq!(take_u32(&mut file), slow_masked_crc(length), "checksum of the length");
        let length = u64::from_le_bytes(length.try_into().unwrap());
        let data = take(&mut file, length as usize);
        assert_eq!(take_u32(&mut file), slow_masked_crc(data), "checksum of the data");
        records.push(fields(data));
    }
    records
}

fn bytes(fields: &Fields, number: u32) -> &[u8] {
    match fields.iter().find(|(field, _)| *field == number) {
        Some((_, Field::Bytes(bytes))) => bytes,
        other => panic!("field {number}: {other:?}"),
    }
}

/// The (tag, step, value) of every scalar in a file.
fn scalars(file: &[u8]) -> Vec<(String, u64, f32)> {
    let mut found = Vec::new();
    for record in read_records(file) {
        let step = record.iter().find_map(|(number, field)| match field {
            Field::Varint(step) if *number == 2 => Some(*step),
            _ => None,
        });
        let Some((_, Field::Bytes(summary))) = record.iter().find(|(number, _)| *number == 5) else { continue };
        let value = fields(bytes(&fields(summary), 1));
        let Some((_, Field::Fixed32(bits))) = value.iter().find(|(number, _)| *number == 2) else { continue };
        let tag = String::from_utf8(bytes(&value, 1).to_vec()).unwrap();
        found.push((tag, step.unwrap_or(0), f32::from_bits(*bits)));
    }
    found
}

#[test]
fn bytes_equal_those_of_tensorboards_own_writer() {
    let time = UNIX_EPOCH + TIME;
    let png = include_bytes!("../../tests/fixtures/grey_3x2.png");
    let hparams = [
        ("batch".into(), Hyperparameter::Number(64.0)),
        ("bias".into(), Hyperparameter::Bool(true)),
        ("optimiser".into(), Hyperparameter::Text("adamw".into())),
    ];
    let mut events = EventWriter::to_sink(Vec::new(), time).unwrap();
    events.session_start(500, time).unwrap();
    events.scalar("loss/train", 500, 1.25, time).unwrap();
    events.scalar("loss/train", 501, f64::INFINITY, time).unwrap();
    events.scalar("loss/train", 502, 0.0, time).unwrap();
    events.markdown_at("sample", 502, &as_code_block("Grüße,\n<b>Welt</b>"), time).unwrap();
    events.image_png_at("grid", 503, png, 3, 2, time).unwrap();
    events.hparams_at("tiny", &hparams, time).unwrap();
    let expected: &[u8] = include_bytes!("../../tests/fixtures/tensorboard_events.bin");
    assert_eq!(read_records(&events.sink), read_records(expected));
    assert_eq!(events.sink, expected);
}

#[test]
fn scalars_are_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut events = EventWriter::create(folder.path().join("new/folder")).unwrap();
    for step in 0..300 {
        events.scalar("loss/train", step, 1.0 / (step + 1) as f64, SystemTime::now()).unwrap();
    }
    events.flush().unwrap();
    let read = scalars(&fs::read(events.path()).unwrap());
    assert_eq!(read.len(), 300);
    assert_eq!(read[0], ("loss/train".into(), 0, 1.0));
    assert_eq!(read[299], ("loss/train".into(), 299, 1.0 / 300.0));
}

#[test]
fn a_resumed_run_writes_a_file_of_its_own_that_says_where_it_starts() {
    let folder = tempfile::tempdir().unwrap();
    let first = EventWriter::create(folder.path()).unwrap();
    let second = EventWriter::resume(folder.path(), 500).unwrap();
    assert_ne!(first.path(), second.path());
    let name = second.path().file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("events.out.tfevents."), "{name}");
    let records = read_records(&fs::read(second.path()).unwrap());
    assert_eq!(records.len(), 2);
    assert_eq!(records[1][1], (2, Field::Varint(500)));
    assert_eq!(records[1][2], (7, Field::Bytes(vec![8, 1])));
}

#[test]
fn a_time_before_1970_is_no_panic() {
    let mut events = EventWriter::to_sink(Vec::new(), UNIX_EPOCH - Duration::from_secs(1)).unwrap();
    events.scalar("loss", u64::MAX, f64::NAN, UNIX_EPOCH).unwrap();
    assert!(scalars(&events.sink)[0].2.is_nan());
}
