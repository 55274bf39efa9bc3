//! Pictures: put together from what elements compute, and written as PNG.

use std::io::{self, Write};

use super::points::Points;
use super::protocol::Parameter;

/// A part of a picture that one session computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Its number.
    pub number: usize,
    /// Left column.
    pub x: u32,
    /// Top row.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Tile {
    /// Divides a picture among so many sessions, in about as many rows as columns. There are no empty tiles, so that there may be
    /// fewer.
    pub fn divide(width: u32, height: u32, count: usize) -> Vec<Self> {
        let rows = count.isqrt().max(1);
        let mut tiles = Vec::new();
        for row in 0..rows {
            let columns = (count * (row + 1) / rows) - (count * row / rows);
            let (y, below) = (share(height, row, rows), share(height, row + 1, rows));
            for column in 0..columns {
                let (x, right) = (share(width, column, columns), share(width, column + 1, columns));
                if right > x && below > y {
                    tiles.push(Self { number: tiles.len(), x, y, width: right - x, height: below - y });
                }
            }
        }
        tiles
    }

    /// What to ask an element for.
    pub fn parameter(&self, of: &Parameter) -> Parameter {
        let step =
            ((of.to.0 - of.from.0) / f64::from(of.width), (of.to.1 - of.from.1) / f64::from(of.height));
        let at = |x: u32, y: u32| (of.from.0 + f64::from(x) * step.0, of.from.1 + f64::from(y) * step.1);
        let (from, to) = (at(self.x, self.y), at(self.x + self.width, self.y + self.height));
        Parameter { width: self.width, height: self.height, from, to, ..*of }
    }
}

/// Where the part with this index begins, of so many of a whole.
fn share(whole: u32, index: usize, count: usize) -> u32 {
    (u64::from(whole) * index as u64 / count.max(1) as u64) as u32
}

/// Who has computed a point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The session, by the number of its tile.
    pub session: u32,
    /// The elements that the session has had before.
    pub failovers: u32,
    /// The element, by when it was first met.
    pub element: u32,
}

/// What colours mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colouring {
    /// Iterations, as RSPLIB's client shows them; sessions and fail-overs may shift the colours.
    Iterations {
        /// Each session has colours of its own.
        by_session: bool,
        /// After each fail-over colours change.
        by_failover: bool,
    },
    /// Who computed what: each element has a colour, and iterations make it darker.
    Elements,
}

/// A point that was computed.
#[derive(Clone, Copy, Debug)]
struct Cell {
    iterations: u32,
    origin: Origin,
}

/// A picture that comes to be.
#[derive(Clone, Debug)]
pub struct Picture {
    width: u32,
    cells: Vec<Option<Cell>>,
}

impl Picture {
    /// An empty one.
    pub fn new(width: u32, height: u32) -> Self {
        Self { width, cells: vec![None; width as usize * height as usize] }
    }

    /// The picture, computed here.
    pub fn compute(parameter: &Parameter, tiles: &[Tile]) -> Self {
        let mut picture = Self::new(parameter.width, parameter.height);
        for tile in tiles {
            let points = Points::new(tile.parameter(parameter));
            let origin = Origin { session: tile.number as u32, ..Origin::default() };
            for y in 0..tile.height {
                let row: Vec<_> = (0..tile.width).map(|x| points.compute(x, y)).collect();
                picture.put(tile, (0, y), &row, origin);
            }
        }
        picture
    }

    /// Takes points of a tile, from a position in it onwards. What is outside of the tile is left out.
    pub fn put(&mut self, tile: &Tile, (x, y): (u32, u32), points: &[u32], origin: Origin) {
        if x >= tile.width {
            return;
        }
        let first = u64::from(y) * u64::from(tile.width) + u64::from(x);
        let area = u64::from(tile.width) * u64::from(tile.height);
        for (position, &iterations) in (first..area).zip(points) {
            let (x, y) =
                ((position % u64::from(tile.width)) as u32, (position / u64::from(tile.width)) as u32);
            let index = self.index(tile.x + x, tile.y + y);
            self.cells[index] = Some(Cell { iterations, origin });
        }
    }

    fn index(&self, x: u32, y: u32) -> usize {
        y as usize * self.width as usize + x as usize
    }

    /// Whether all points of a tile are there.
    pub fn is_complete(&self, tile: &Tile) -> bool {
        let row = |y| self.index(tile.x, y)..self.index(tile.x + tile.width, y);
        (tile.y..tile.y + tile.height).all(|y| self.cells[row(y)].iter().all(Option::is_some))
    }

    /// How many points each element has computed.
    pub fn points_of(&self, element: u32) -> usize {
        self.cells.iter().flatten().filter(|cell| cell.origin.element == element).count()
    }

    /// Writes it as PNG; missing points are grey.
    ///
    /// # Errors
    /// The system's.
    pub fn write_png(&self, out: impl Write, colouring: Colouring) -> io::Result<()> {
        let height = self.cells.len() / self.width.max(1) as usize;
        let mut encoder = png::Encoder::new(out, self.width, height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let colour = |cell: &Option<Cell>| cell.map_or([200; 3], |cell| cell.colour(colouring));
        let pixels: Vec<u8> = self.cells.iter().flat_map(colour).collect();
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&pixels)?;
        Ok(writer.finish()?)
    }
}

impl Cell {
    fn colour(&self, colouring: Colouring) -> [u8; 3] {
        let Origin { session, failovers, element } = self.origin;
        match colouring {
            Colouring::Iterations { by_session, by_failover } => {
                let session = if by_session { u64::from(session) * 3 } else { 0 };
                let failovers = if by_failover { u64::from(failovers) * 5 } else { 0 };
                let hue = (u64::from(self.iterations) + session + failovers) % 72 * 5;
                hsv(hue as f64, 1.0)
            }
            // Neighbours in number are far from each other in hue: the golden angle.
            Colouring::Elements => {
                let hue = f64::from(element) * 137.508;
                hsv(hue % 360.0, 1.0 - f64::from(self.iterations % 32) / 48.0)
            }
        }
    }
}

/// A fully saturated colour; hue in degrees below 360.
fn hsv(hue: f64, value: f64) -> [u8; 3] {
    let part = |offset: f64| {
        let k = (offset + hue / 60.0) % 6.0;
        let level = value - value * k.min(4.0 - k).clamp(0.0, 1.0);
        (level * 255.0).round() as u8
    };
    [part(5.0), part(3.0), part(1.0)]
}

#[cfg(test)]
mod tests {
    use super::super::protocol::Algorithm;
    use super::*;

    const PARAMETER: Parameter = Parameter {
        width: 60,
        height: 40,
        max_iterations: 50,
        algorithm: Algorithm::Mandelbrot,
        from: (-1.5, 1.5),
        to: (1.5, -1.5),
        n: 2.0,
    };

    #[test]
    fn tiles_cover_the_picture_once() {
        for (width, height, count) in [(400, 250, 1), (400, 250, 4), (33, 17, 7), (5, 5, 100), (1, 1, 3)] {
            let tiles = Tile::divide(width, height, count);
            let area: u32 = tiles.iter().map(|tile| tile.width * tile.height).sum();
            assert_eq!(area, width * height, "{count} tiles");
            let mut picture = Picture::new(width, height);
            for tile in &tiles {
                let points = vec![1; (tile.width * tile.height) as usize];
                assert!(!picture.is_complete(tile));
                picture.put(tile, (0, 0), &points, Origin::default());
                assert!(picture.is_complete(tile));
            }
            assert_eq!(picture.points_of(0), (width * height) as usize);
        }
    }

    #[test]
    fn points_outside_of_a_tile_are_left_out() {
        let tiles = Tile::divide(10, 10, 4);
        let mut picture = Picture::new(10, 10);
        for position in [(u32::MAX, 0), (0, u32::MAX), (5, 0), (4, 4)] {
            picture.put(&tiles[3], position, &[7; 324], Origin::default());
        }
        assert_eq!(picture.points_of(0), 1);
    }

    #[test]
    fn a_picture_is_a_png_of_its_size_and_says_who_computed_what() {
        let tiles = Tile::divide(PARAMETER.width, PARAMETER.height, 4);
        let picture = Picture::compute(&PARAMETER, &tiles);
        let colourings =
            [Colouring::Elements, Colouring::Iterations { by_session: true, by_failover: false }];
        for colouring in colourings {
            let mut file = Vec::new();
            picture.write_png(&mut file, colouring).expect("room");
            let decoder = png::Decoder::new(io::Cursor::new(file));
            let reader = decoder.read_info().expect("a picture");
            assert_eq!((reader.info().width, reader.info().height), (60, 40));
        }
        let cell = |iterations, element| Cell { iterations, origin: Origin { element, ..Origin::default() } };
        assert_ne!(cell(1, 0).colour(Colouring::Elements), cell(1, 1).colour(Colouring::Elements));
    }

    #[test]
    fn colours_are_those_of_the_wheel() {
        assert_eq!(
            [0.0, 120.0, 240.0, 60.0].map(|hue| hsv(hue, 1.0)),
            [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0]]
        );
        assert_eq!(hsv(0.0, 0.0), [0, 0, 0]);
    }
}
