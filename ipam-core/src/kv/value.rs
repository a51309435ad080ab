//! Stored bytes.

use std::any::Any;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

/// The bytes that are stored under a key, shared by all who hold them, and with them what they mean.
///
/// A call of a process that lives on begins with what the one before it has read and written. What that one understood
/// stays with the bytes that it understood, so it need not be found out again, and cannot outlive them.
#[derive(Clone)]
pub struct Value(Arc<Inner>);

struct Inner {
    bytes: Vec<u8>,
    meaning: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl Value {
    /// Takes bytes over together with what they mean: what would be read from them, and nothing else.
    pub fn meaning(bytes: Vec<u8>, meaning: impl Any + Send + Sync) -> Self {
        Self(Arc::new(Inner { bytes, meaning: OnceLock::from(Arc::new(meaning) as Arc<_>) }))
    }

    /// Returns what the bytes mean, where somebody has read it from them.
    #[must_use]
    pub fn known<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.0.meaning.get().cloned().and_then(|known| known.downcast().ok())
    }

    /// Returns what the bytes mean, which is read from them only where nobody has done so.
    ///
    /// # Errors
    ///
    /// What `read` says; it is not kept.
    pub fn understood<T: Any + Send + Sync, E>(
        &self,
        read: impl FnOnce(&[u8]) -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        if let Some(known) = self.known() {
            return Ok(known);
        }
        let meaning = Arc::new(read(self)?);
        // Somebody else may have understood them meanwhile, or as something else: then that stays.
        let _ = self.0.meaning.set(Arc::clone(&meaning) as Arc<_>);
        Ok(meaning)
    }
}

impl Deref for Value {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0.bytes
    }
}

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Default for Value {
    fn default() -> Self {
        Self::from(Vec::new())
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Inner { bytes, meaning: OnceLock::new() }))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::from(text.into_bytes())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

/// Bytes are compared; what they mean follows from them.
impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for Value {
    fn eq(&self, other: &T) -> bool {
        **self == *other.as_ref()
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(other)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(bytes: &[u8]) -> Result<u32, String> {
        let text = String::from_utf8_lossy(bytes);
        text.parse().map_err(|_| text.into_owned())
    }

    #[test]
    fn what_bytes_mean_is_read_once_and_shared() {
        let value = Value::from("7");
        let copy = value.clone();
        assert_eq!(value.known::<u32>(), None);
        assert_eq!(copy.understood(number), Ok(Arc::new(7)));
        assert_eq!(value.understood(|_| Err::<u32, _>("read again")), Ok(Arc::new(7)));
        assert_eq!((value.known(), value.known::<char>()), (Some(Arc::new(7_u32)), None));
        let put = Value::meaning(b"8".to_vec(), 8_u32);
        assert_eq!(put.understood(|_| Err::<u32, _>("read again")), Ok(Arc::new(8)));
    }

    #[test]
    fn a_failure_is_not_kept_and_another_meaning_is_read() {
        let value = Value::from("x");
        assert_eq!(value.understood(number), Err("x".to_owned()));
        assert_eq!(value.understood(|_| Ok::<_, ()>('x')), Ok(Arc::new('x')));
        assert_eq!(value.understood(number), Err("x".to_owned()));
        assert_eq!(value.understood(|_| Err::<char, _>(())), Ok(Arc::new('x')));
    }

    #[test]
    fn values_are_compared_by_their_bytes() {
        let (one, other) = (Value::from("a"), Value::meaning(b"a".to_vec(), 1_u8));
        assert_eq!(one, other);
        assert_eq!(one, "a");
        assert_ne!(one, b"b");
        let later = Value::from("b");
        assert!(one < later);
        assert_eq!(format!("{:?}", Value::from("a\n")), r#"b"a\n""#);
    }
}
