//! The fractal generator protocol of RSPLIB (PPID 32): a user sends what picture it wants, the element answers with points of
//! it, from the top left to the bottom right. How far it has got is the session's state: it travels in the cookie.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use rserpool::transport::UserMessage;

/// Payload protocol identifier.
pub const PPID: u32 = 32;
/// Points of a message at most.
pub const MAX_POINTS: usize = 324;
/// Width and height of a picture at most.
pub const MAX_SIZE: u32 = 65_536;
/// Iterations for a point at most.
pub const MAX_ITERATIONS: u32 = 1_000_000;

const PARAMETER: u8 = 1;
const DATA: u8 = 2;
const HEADER: usize = 4;
const PARAMETER_LEN: usize = HEADER + 4 * 4 + 5 * 8;
const DATA_HEAD: usize = HEADER + 3 * 4;
/// What a cookie of this protocol begins with.
const COOKIE_NAME: &[u8; 8] = b"<FG-TD1>";
/// The position in the message that ends a picture.
const END: u32 = u32::MAX;

/// How points are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// z² - c.
    Mandelbrot,
    /// zⁿ - c.
    MandelbrotN,
    /// A pattern that costs nothing, and whatever else is asked for.
    Test(u32),
}

impl From<u32> for Algorithm {
    fn from(number: u32) -> Self {
        match number {
            1 => Self::Mandelbrot,
            2 => Self::MandelbrotN,
            other => Self::Test(other),
        }
    }
}

impl From<Algorithm> for u32 {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Mandelbrot => 1,
            Algorithm::MandelbrotN => 2,
            Algorithm::Test(number) => number,
        }
    }
}

/// What picture is wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    /// Points in a row, up to [`MAX_SIZE`].
    pub width: u32,
    /// Rows, up to [`MAX_SIZE`].
    pub height: u32,
    /// Iterations for a point, up to [`MAX_ITERATIONS`].
    pub max_iterations: u32,
    /// How points are computed.
    pub algorithm: Algorithm,
    /// Real and imaginary part of the number at the top left.
    pub from: (f64, f64),
    /// And below and right of the last point.
    pub to: (f64, f64),
    /// The exponent of [`Algorithm::MandelbrotN`].
    pub n: f64,
}

impl Parameter {
    /// The message, ready to be sent.
    pub fn to_user_message(&self) -> UserMessage {
        let mut bytes = BytesMut::with_capacity(PARAMETER_LEN);
        self.write(&mut bytes);
        UserMessage::new(PPID, bytes)
    }

    fn write(&self, bytes: &mut BytesMut) {
        header(bytes, PARAMETER, PARAMETER_LEN);
        let numbers = [self.width, self.height, self.max_iterations, self.algorithm.into()];
        numbers.into_iter().for_each(|number| bytes.put_u32(number));
        let numbers = [self.from.0, self.from.1, self.to.0, self.to.1, self.n];
        numbers.into_iter().for_each(|number| bytes.put_f64(number));
    }

    /// The parameters in these bytes, if they can be served.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        Self::read(&mut &bytes[..])
    }

    /// RSPLIB's length field in a cookie does not count all of it.
    fn read(bytes: &mut impl Buf) -> Option<Self> {
        if bytes.remaining() < PARAMETER_LEN || bytes.get_u8() != PARAMETER {
            return None;
        }
        bytes.advance(HEADER - 1);
        let [width, height, max_iterations, algorithm] = std::array::from_fn(|_| bytes.get_u32());
        let [real, imaginary, to_real, to_imaginary, n] = std::array::from_fn(|_| bytes.get_f64());
        let is_bounded = width <= MAX_SIZE && height <= MAX_SIZE && max_iterations <= MAX_ITERATIONS;
        is_bounded.then_some(Self {
            width,
            height,
            max_iterations,
            algorithm: algorithm.into(),
            from: (real, imaginary),
            to: (to_real, to_imaginary),
            n,
        })
    }
}

/// Points of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// A run of points, of which the next one begins a new row when one is full.
    Points {
        /// Column of the first one.
        x: u32,
        /// Row of the first one.
        y: u32,
        /// Iterations for each, up to [`MAX_POINTS`].
        points: Vec<u32>,
    },
    /// The picture is complete.
    End,
}

impl Data {
    /// The message, ready to be sent. More points than fit are left out.
    pub fn to_user_message(&self) -> UserMessage {
        let (x, y, points) = match self {
            Self::Points { x, y, points } => (*x, *y, &points[..points.len().min(MAX_POINTS)]),
            Self::End => (END, END, &[][..]),
        };
        let length = DATA_HEAD + 4 * points.len();
        let mut bytes = BytesMut::with_capacity(length);
        header(&mut bytes, DATA, length);
        [x, y, points.len() as u32].into_iter().for_each(|number| bytes.put_u32(number));
        points.iter().for_each(|point| bytes.put_u32(*point));
        UserMessage::new(PPID, bytes)
    }

    /// The points in these bytes, if they are some.
    pub fn decode(mut bytes: Bytes) -> Option<Self> {
        if bytes.len() < DATA_HEAD || bytes.get_u8() != DATA {
            return None;
        }
        bytes.advance(HEADER - 1);
        let [x, y, count] = std::array::from_fn(|_| bytes.get_u32());
        let count = usize::try_from(count).ok().filter(|count| *count <= MAX_POINTS)?;
        if (x, y, count) == (END, END, 0) {
            return Some(Self::End);
        }
        let points = bytes.get(..4 * count)?.chunks_exact(4);
        Some(Self::Points { x, y, points: points.map(|mut point| point.get_u32()).collect() })
    }
}

/// How far a picture is: what the next element needs to go on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// The picture.
    pub parameter: Parameter,
    /// Column of the next point; the width at the end of a row.
    pub x: u32,
    /// Row of the next point.
    pub y: u32,
}

impl Progress {
    /// At the beginning.
    pub fn new(parameter: Parameter) -> Self {
        Self { parameter, x: 0, y: 0 }
    }

    /// Where the next point is: behind the end of a row the next one begins.
    pub fn position(&self) -> (u32, u32) {
        if self.x < self.parameter.width { (self.x, self.y) } else { (0, self.y + 1) }
    }

    /// The cookie, whose length is one that RSPLIB reads.
    pub fn to_cookie(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(COOKIE_NAME.len() + PARAMETER_LEN + 8);
        bytes.put_slice(COOKIE_NAME);
        self.parameter.write(&mut bytes);
        bytes.put_u32(self.x);
        bytes.put_u32(self.y);
        bytes.freeze()
    }

    /// What the cookie says, if it is one of this protocol.
    pub fn from_cookie(cookie: &[u8]) -> Option<Self> {
        let mut bytes = cookie.strip_prefix(COOKIE_NAME)?;
        let parameter = Parameter::read(&mut bytes)?;
        let (x, y) = (bytes.try_get_u32().ok()?, bytes.try_get_u32().ok()?);
        (x <= parameter.width && y <= parameter.height).then_some(Self { parameter, x, y })
    }
}

fn header(bytes: &mut BytesMut, kind: u8, length: usize) {
    bytes.put_u8(kind);
    bytes.put_u8(0);
    bytes.put_u16(length as u16);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PARAMETER: Parameter = Parameter {
        width: 400,
        height: 250,
        max_iterations: 1024,
        algorithm: Algorithm::Mandelbrot,
        from: (-1.5, 1.5),
        to: (1.5, -1.5),
        n: 2.0,
    };

    #[test]
    fn parameters_look_as_rsplibs() {
        let bytes = PARAMETER.to_user_message().data;
        assert_eq!(bytes[..20], [1, 0, 0, 60, 0, 0, 1, 144, 0, 0, 0, 250, 0, 0, 4, 0, 0, 0, 0, 1]);
        // IEEE 754: 1.5 is 0x3ff8 and zeros.
        assert_eq!(bytes[20..30], [0xbf, 0xf8, 0, 0, 0, 0, 0, 0, 0x3f, 0xf8]);
        assert_eq!((bytes.len(), Parameter::decode(&bytes)), (60, Some(PARAMETER)));
    }

    #[test]
    fn points_come_back_as_they_went_and_the_end_is_the_end() {
        let data = Data::Points { x: 3, y: 4, points: vec![0, 1, u32::MAX] };
        let bytes = data.to_user_message().data;
        assert_eq!(bytes[..16], [2, 0, 0, 28, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 3]);
        assert_eq!(Data::decode(bytes), Some(data));
        assert_eq!(Data::decode(Data::End.to_user_message().data), Some(Data::End));
    }

    #[test]
    fn a_cookie_goes_on_in_the_middle_and_has_a_length_that_rsplib_reads() {
        let progress = Progress { parameter: PARAMETER, x: 17, y: 249 };
        let cookie = progress.to_cookie();
        assert_eq!((cookie.len(), Progress::from_cookie(&cookie)), (76, Some(progress)));
        assert_eq!(progress.position(), (17, 249));
        assert_eq!(Progress { x: PARAMETER.width, ..progress }.position(), (0, 250));
        for length in 0..cookie.len() {
            assert_eq!(Progress::from_cookie(&cookie[..length]), None);
        }
    }

    #[test]
    fn pictures_that_never_end_are_refused() {
        for change in [
            |parameter: &mut Parameter| parameter.width = MAX_SIZE + 1,
            |parameter: &mut Parameter| parameter.height = u32::MAX,
            |parameter: &mut Parameter| parameter.max_iterations = MAX_ITERATIONS + 1,
        ] {
            let mut parameter = PARAMETER;
            change(&mut parameter);
            assert_eq!(Parameter::decode(&parameter.to_user_message().data), None);
        }
        let outside = Progress { parameter: PARAMETER, x: 401, y: 0 };
        assert_eq!(Progress::from_cookie(&outside.to_cookie()), None);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..1400), kind in 0u8..4) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = kind;
            }
            Parameter::decode(&bytes);
            Progress::from_cookie(&[&COOKIE_NAME[..], &bytes].concat());
            if let Some(Data::Points { points, .. }) = Data::decode(bytes.into()) {
                prop_assert!(points.len() <= MAX_POINTS);
            }
        }
    }
}
