//! Serial numbers that wrap (RFC 1982; RFC 9260, 1.6).
//!
//! They have no `Ord`: "less than" on them is not transitive, so a sorted container of them
//! is wrong unless all of its members lie within half of the number space.

macro_rules! serial {
    ($(#[$doc:meta])* $name:ident, $int:ty, $signed:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub struct $name(pub $int);

        impl $name {
            /// The number after this one.
            /// RFC 9260, 1.6.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.wrapping_add(1))
            }

            /// The number before this one.
            #[must_use]
            pub const fn prev(self) -> Self {
                Self(self.0.wrapping_sub(1))
            }

            /// The number `count` after this one.
            #[must_use]
            pub const fn plus(self, count: $int) -> Self {
                Self(self.0.wrapping_add(count))
            }

            /// How many steps forward lead from `earlier` to this one, wrapping.
            /// RFC 9260, 1.6.
            pub const fn distance_from(self, earlier: Self) -> $int {
                self.0.wrapping_sub(earlier.0)
            }

            /// Whether this comes before `other` (RFC 1982, 3.2).
            /// RFC 9260, 1.6.
            pub const fn less_than(self, other: Self) -> bool {
                (self.0.wrapping_sub(other.0) as $signed) < 0
            }

            /// Whether this comes before `other` or is equal to it.
            pub const fn at_most(self, other: Self) -> bool {
                !other.less_than(self)
            }

            /// The later one of the two.
            #[must_use]
            pub const fn later(self, other: Self) -> Self {
                if self.less_than(other) { other } else { self }
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

serial! {
    /// A transmission sequence number (RFC 9260, 1.6).
    Tsn, u32, i32
}
serial! {
    /// A stream sequence number (RFC 9260, 6.5).
    Ssn, u16, i16
}
serial! {
    /// A message identifier of I-DATA (RFC 8260, 2.1).
    Mid, u32, i32
}
serial! {
    /// A fragment sequence number of I-DATA (RFC 8260, 2.1).
    Fsn, u32, i32
}

impl Ssn {
    /// The lower half of a message identifier, which programs see as the SSN of I-DATA (RFC 8260, 4.1).
    #[must_use]
    pub const fn of_mid(mid: Mid) -> Self {
        Self(mid.0 as u16)
    }

    /// The message identifier nearest to `near` whose lower half this is.
    #[must_use]
    pub const fn to_mid(self, near: Mid) -> Mid {
        let step = self.distance_from(Self::of_mid(near)).cast_signed();
        Mid(near.0.wrapping_add_signed(step as i32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9260, 1.6.
    #[test]
    fn comparison_wraps() {
        assert!(Tsn(u32::MAX).less_than(Tsn(0)));
        assert!(!Tsn(0).less_than(Tsn(u32::MAX)));
        assert!(Ssn(65_535).less_than(Ssn(0)));
        assert!(Tsn(7).at_most(Tsn(7)));
        assert_eq!(Tsn(u32::MAX).next(), Tsn(0));
        assert_eq!(Tsn(2).distance_from(Tsn(u32::MAX)), 3);
        assert_eq!(Tsn(u32::MAX).later(Tsn(1)), Tsn(1));
    }

    #[test]
    fn a_stream_sequence_number_becomes_the_nearest_message_identifier() {
        assert_eq!(Ssn(3).to_mid(Mid(u32::MAX - 1)), Mid(3));
        assert_eq!(Ssn(65_535).to_mid(Mid(0)), Mid(u32::MAX));
        assert_eq!(Ssn(0).to_mid(Mid(0x1_fff0)), Mid(0x2_0000));
        assert_eq!(Ssn::of_mid(Mid(0x2_0001)), Ssn(1));
    }
}
