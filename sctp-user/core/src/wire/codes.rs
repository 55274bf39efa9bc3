//! Registered numbers (chunk types, parameter types, cause codes) as newtypes with names.

/// Declares a number's newtype, its registered values, their names and its `Display`.
macro_rules! codes {
    (
        $(#[$doc:meta])* $type:ident($int:ty), unnamed $unnamed:literal;
        $($(#[$item:meta])* $name:ident = $value:literal, $text:literal;)*
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $type(pub $int);

        impl $type {
            $($(#[$item])* pub const $name: Self = Self($value);)*

            /// The registered name; `None` for a number that this codec does not know.
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some($text),)*
                    _ => None,
                }
            }
        }

        impl core::fmt::Display for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self.name() {
                    Some(name) => f.pad(name),
                    None => write!(f, concat!($unnamed, "_{:#x}"), self.0),
                }
            }
        }

        impl core::fmt::Debug for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Display::fmt(self, f)
            }
        }
    };
}

pub(super) use codes;

/// What to do with a chunk or parameter whose type is not recognized: the two highest bits of the
/// type say it (RFC 9260, 3.2 and 3.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnrecognizedAction {
    /// 00: go no further in this packet (in this chunk, for a parameter).
    Stop,
    /// 01: the same, and report the type to the sender.
    StopAndReport,
    /// 10: skip it and go on.
    Skip,
    /// 11: the same, and report the type to the sender.
    SkipAndReport,
}

impl UnrecognizedAction {
    /// The action that the two highest bits of a type, `bits`, ask for.
    pub(super) const fn from_upper_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::Stop,
            1 => Self::StopAndReport,
            2 => Self::Skip,
            _ => Self::SkipAndReport,
        }
    }

    /// Whether the rest behind the unrecognized item is to be processed.
    pub const fn goes_on(self) -> bool {
        matches!(self, Self::Skip | Self::SkipAndReport)
    }

    /// Whether the sender is to be told.
    pub const fn reports(self) -> bool {
        matches!(self, Self::StopAndReport | Self::SkipAndReport)
    }
}
