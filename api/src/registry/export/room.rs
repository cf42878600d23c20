//! The size limit of an export: counts the JSON bytes row by row, and stops at the first row over the limit.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use crate::refusal::{Code, Refusal};

/// Bytes reserved for the response around the export.
const AROUND: usize = 1_024;
/// Minimum JSON bytes of a row: one id.
const LEAST_ROW: usize = 36;

/// The remaining bytes of an export.
#[derive(Debug)]
pub(super) struct Room {
    most: usize,
    left: usize,
}

impl Room {
    /// Room for a response of `most` bytes.
    pub(super) fn of(most: usize) -> Self {
        Self { most, left: most.saturating_sub(AROUND) }
    }

    /// The maximum number of rows that can still fit, plus one, which stops the export.
    pub(super) fn rows(&self) -> u64 {
        u64::try_from(self.left / LEAST_ROW).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// Converts these rows to a list.
    ///
    /// # Errors
    /// `TOO_COMPLEX` if they exceed the remaining bytes.
    pub(super) fn list<T>(
        &mut self,
        rows: impl IntoIterator<Item = T>,
        value: impl FnMut(T) -> Value,
    ) -> Result<Value, Refusal> {
        let mut list = Vec::new();
        self.add(&mut list, rows, value)?;
        Ok(Value::Array(list))
    }

    /// Adds these rows to a list.
    ///
    /// # Errors
    /// `TOO_COMPLEX` if they exceed the remaining bytes.
    pub(super) fn add<T>(
        &mut self,
        list: &mut Vec<Value>,
        rows: impl IntoIterator<Item = T>,
        mut value: impl FnMut(T) -> Value,
    ) -> Result<(), Refusal> {
        for row in rows {
            let value = value(row);
            // One byte for the comma between two values.
            let bytes = length(&value).saturating_add(1);
            self.left = self.left.checked_sub(bytes).ok_or_else(|| self.too_long())?;
            list.push(value);
        }
        Ok(())
    }

    fn too_long(&self) -> Refusal {
        let message = format!(
            "The export has more than {} bytes (limits.answer_bytes). Ask the operator to raise this setting for \
             the export.",
            self.most
        );
        Refusal::new(Code::TooComplex, message)
    }
}

/// The length of a value as JSON, in bytes.
fn length(value: &Value) -> usize {
    let mut count = Count(0);
    // Serialisation of values cannot fail, and neither can counting.
    match value.serialize(&mut serde_json::Serializer::new(&mut count)) {
        Ok(()) => count.0,
        Err(_) => usize::MAX,
    }
}

struct Count(usize);

impl Write for Count {
    fn write(&mut self, some: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(some.len());
        Ok(some.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Code, Room};

    #[test]
    fn rows_have_room_to_the_byte() {
        // Each is {"id":1} and a comma: nine bytes.
        let row = |id: u64| json!({"id": id});
        let mut room = Room::of(1_024 + 27);
        assert_eq!(room.list([1, 2], row), Ok(json!([{"id": 1}, {"id": 2}])));
        assert_eq!(room.list([3], row), Ok(json!([{"id": 3}])));
        let refusal = room.list([4], row).unwrap_err();
        assert_eq!(refusal.code, Code::TooComplex);
        assert!(refusal.message.contains("1051 bytes (limits.answer_bytes)"), "{}", refusal.message);
    }
}
