//! Structures of C as bytes: which field is where, and reading and writing them.
//!
//! Fields have C's names ([`structures`](crate::structures)). Numbers are in the byte order of the machine unless they
//! are [`Network`]; offsets are those of Linux on 64-bit machines. Reading is total: what a program did not give reads as
//! zero. Whether it gave enough is decided before, by the length rules of each option.

use std::marker::PhantomData;

/// What a field can hold.
pub(crate) trait Scalar: Copy {
    const SIZE: usize;
    /// From `SIZE` bytes. Those that are missing are zero.
    fn from_bytes(bytes: &[u8]) -> Self;
    /// To `SIZE` bytes.
    fn to_bytes(self, bytes: &mut [u8]);
}

macro_rules! numbers {
    ($($number:ty),*) => { $(
        impl Scalar for $number {
            const SIZE: usize = size_of::<$number>();

            fn from_bytes(bytes: &[u8]) -> Self {
                Self::from_ne_bytes(padded(bytes))
            }

            fn to_bytes(self, bytes: &mut [u8]) {
                copy(&self.to_ne_bytes(), bytes);
            }
        }

        impl Scalar for Network<$number> {
            const SIZE: usize = size_of::<$number>();

            fn from_bytes(bytes: &[u8]) -> Self {
                Self(<$number>::from_be_bytes(padded(bytes)))
            }

            fn to_bytes(self, bytes: &mut [u8]) {
                copy(&self.0.to_be_bytes(), bytes);
            }
        }
    )* };
}

/// A number in network byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network<T>(pub(crate) T);

numbers!(u8, u16, u32, u64, i32, usize);

/// Bytes, or a structure in a structure.
impl<const N: usize> Scalar for [u8; N] {
    const SIZE: usize = N;

    fn from_bytes(bytes: &[u8]) -> Self {
        padded(bytes)
    }

    fn to_bytes(self, bytes: &mut [u8]) {
        copy(&self, bytes);
    }
}

fn padded<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    copy(bytes, &mut array);
    array
}

fn copy(from: &[u8], to: &mut [u8]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
}

/// Where a value is in a structure.
#[derive(Debug)]
pub(crate) struct Field<T> {
    at: usize,
    holds: PhantomData<fn() -> T>,
}

impl<T> Clone for Field<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Field<T> {}

impl<T: Scalar> Field<T> {
    pub(crate) const fn new(at: usize) -> Self {
        Self { at, holds: PhantomData }
    }

    /// Where it is.
    pub(crate) const fn at(self) -> usize {
        self.at
    }

    /// Where what follows it is.
    pub(crate) const fn end(self) -> usize {
        self.at + T::SIZE
    }

    fn range(self) -> std::ops::Range<usize> {
        self.at..self.end()
    }
}

/// A structure that a program gave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a>(pub(crate) &'a [u8]);

impl<'a> View<'a> {
    /// The value of a field. Bytes that are missing are zero.
    pub(crate) fn get<T: Scalar>(self, field: Field<T>) -> T {
        let from = self.0.get(field.at..).unwrap_or_default();
        T::from_bytes(from.get(..T::SIZE).unwrap_or(from))
    }

    /// What comes after a structure of `size` bytes.
    pub(crate) fn after(self, size: usize) -> &'a [u8] {
        self.0.get(size..).unwrap_or_default()
    }
}

/// A structure that is being written; what is not set is zero, so is padding.
#[derive(Clone, Debug)]
pub(crate) struct Record(Vec<u8>);

impl Record {
    /// All zero.
    pub(crate) fn new(size: usize) -> Self {
        Self(vec![0; size])
    }

    /// Begins with what the program gave: fields that say what is asked for are given back.
    pub(crate) fn from_view(view: View<'_>, size: usize) -> Self {
        let mut record = Self::new(size);
        copy(view.0, &mut record.0);
        record
    }

    pub(crate) fn set<T: Scalar>(mut self, field: Field<T>, value: T) -> Self {
        if let Some(bytes) = self.0.get_mut(field.range()) {
            value.to_bytes(bytes);
        }
        self
    }

    /// Adds what comes after the structure.
    pub(crate) fn with_tail(mut self, tail: &[u8]) -> Self {
        self.0.extend_from_slice(tail);
        self
    }

    pub(crate) fn truncate(mut self, len: usize) -> Self {
        self.0.truncate(len);
        self
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// As a field of another structure.
    pub(crate) fn into_array<const N: usize>(self) -> [u8; N] {
        padded(&self.0)
    }
}

/// A structure, for the test that compares it with C's.
#[cfg(test)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Structure {
    pub(crate) name: &'static str,
    pub(crate) size: usize,
    /// Name, offset and size.
    pub(crate) fields: &'static [(&'static str, usize, usize)],
}

/// Declares structures: a module for each, with its size and a [`Field`] for each of its fields.
macro_rules! structures {
    ($($(#[$doc:meta])* $name:ident: $size:literal { $($field:ident: $holds:ty = $at:literal,)* })*) => {
        $(
            $(#[$doc])*
            #[allow(non_upper_case_globals, reason = "C's own names")]
            pub(crate) mod $name {
                use super::*;

                pub(crate) const SIZE: usize = $size;
                $(pub(crate) const $field: Field<$holds> = Field::new($at);)*

                // Structures are whole, whatever is used of them.
                const _: () = assert!(true $(&& $field.end() <= SIZE)*, "a field lies outside");
            }
        )*

        /// All of them.
        #[cfg(test)]
        pub(crate) static STRUCTURES: &[crate::layout::Structure] = &[$(
            crate::layout::Structure {
                name: stringify!($name),
                size: $size,
                fields: &[$((
                    stringify!($field),
                    $name::$field.at(),
                    $name::$field.end() - $name::$field.at(),
                )),*],
            }
        ),*];
    };
}

pub(crate) use structures;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NUMBER: Field<u32> = Field::new(2);
    const PORT: Field<Network<u16>> = Field::new(6);

    proptest! {
        #[test]
        fn what_was_written_is_read(number in any::<u32>(), port in any::<u16>()) {
            let bytes = Record::new(8).set(NUMBER, number).set(PORT, Network(port)).into_bytes();
            prop_assert_eq!(&bytes[2..6], &number.to_ne_bytes()[..]);
            prop_assert_eq!(&bytes[6..], &port.to_be_bytes()[..]);
            prop_assert_eq!(View(&bytes).get(NUMBER), number);
            prop_assert_eq!(View(&bytes).get(PORT), Network(port));
        }

        #[test]
        fn missing_bytes_are_zero(bytes in prop::collection::vec(any::<u8>(), 0..8)) {
            let mut whole = bytes.clone();
            whole.resize(8, 0);
            prop_assert_eq!(View(&bytes).get(NUMBER), View(&whole).get(NUMBER));
            prop_assert_eq!(View(&bytes).get(PORT), View(&whole).get(PORT));
        }
    }
}
