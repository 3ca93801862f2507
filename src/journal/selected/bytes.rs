//! A record's bytes as they came, for whoever delivers them again: into one buffer that is used again and again.

use rusqlite::OptionalExtension as _;
use rusqlite::types::ValueRef;

use crate::journal::items::timestamp_kind;
use crate::journal::reader::ReadError;
use crate::journal::selected::{Selected, SelectedPartition};
use crate::journal::sql;
use crate::journal::writer::crc_of;
use crate::record::{Headers, Offset, Timestamp};

/// A record as Kafka delivered it, lent from a buffer. Null and empty differ.
#[derive(Clone, Copy, Debug)]
pub struct StoredRecord<'b> {
    pub key: Option<&'b [u8]>,
    pub headers: Headers<'b>,
    pub value: Option<&'b [u8]>,
    pub timestamp: Timestamp,
    pub leader_epoch: Option<i32>,
}

/// What is in the buffer, one after the other, and what is beside it.
struct Read {
    key_len: Option<usize>,
    headers_len: usize,
    value_len: Option<usize>,
    timestamp: Timestamp,
    leader_epoch: Option<i32>,
    crc: u32,
}

impl Selected {
    /// The bytes of a record, which replace what is in `buffer`; `None` when the journal does not have them any more.
    ///
    /// # Errors
    /// When the journal cannot be read, or the bytes are not those that were written.
    pub fn bytes<'b>(
        &self,
        partition: &SelectedPartition,
        offset: Offset,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Option<StoredRecord<'b>>, ReadError> {
        buffer.clear();
        let Some(read) = self.read(partition, offset, buffer).map_err(|error| self.failed(error))? else { return Ok(None) };
        let Read { key_len, headers_len, value_len, timestamp, leader_epoch, crc } = read;
        let (key, rest) = buffer.split_at(key_len.unwrap_or(0));
        let (headers, value) = rest.split_at(headers_len);
        let (key, value) = (key_len.map(|_| key), value_len.map(|_| value));
        if crc != crc_of(key, headers, value) {
            let what = "its bytes do not have the checksum that they were written with".to_owned();
            return Err(self.damaged(partition, offset, what));
        }
        let headers = Headers::parse(headers).map_err(|error| self.damaged(partition, offset, error.to_string()))?;
        Ok(Some(StoredRecord { key, headers, value, timestamp, leader_epoch }))
    }

    fn read(&self, partition: &SelectedPartition, offset: Offset, buffer: &mut Vec<u8>) -> rusqlite::Result<Option<Read>> {
        let mut select = self.connection().prepare_cached(sql::STORED_AT)?;
        let read = select.query_row((partition.row.0, partition.number, offset.get()), |row| {
            let mut take = |at: usize| match row.get_ref(at)? {
                ValueRef::Null => Ok(None),
                value => {
                    let bytes = value.as_blob()?;
                    buffer.extend_from_slice(bytes);
                    Ok::<_, rusqlite::Error>(Some(bytes.len()))
                }
            };
            let (key_len, headers_len, value_len) = (take(0)?, take(1)?.unwrap_or(0), take(2)?);
            let kind = timestamp_kind(row.get_ref(4)?.as_str()?);
            let timestamp = Timestamp { ms: row.get(3)?, kind };
            Ok(Read { key_len, headers_len, value_len, timestamp, leader_epoch: row.get(5)?, crc: row.get(6)? })
        });
        read.optional()
    }

    fn damaged(&self, partition: &SelectedPartition, offset: Offset, what: String) -> ReadError {
        let key = (partition.row.0, partition.number, offset.get());
        match self.connection().query_row(sql::SELECTED_AT, key, |row| row.get(0)) {
            Ok(id) => ReadError::DamagedEntry { path: self.reader.path().to_owned(), id, what },
            Err(error) => self.failed(error),
        }
    }
}
