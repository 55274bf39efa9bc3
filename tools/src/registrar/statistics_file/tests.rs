//! Files beside what RSPLIB's registrar 3.4.4 wrote.

use std::fs::File;
use std::io::Read;

use bzip2::read::BzDecoder;

use super::*;

const SIZES: Sizes = Sizes { peers: 1, pools: 2, elements: 4, own_elements: 3 };
const COUNTS: Counts = Counts([8, 7, 1, 3, 0, 2, 5, 6]);

/// What a run of ten seconds writes, in which there is something for the second half only, and what it fails to.
fn run(file: &Path, scalar: &Path) -> Vec<String> {
    let mut statistics =
        Statistics::start(Some(file), Duration::from_secs(1), Some((scalar, "OBJ"))).unwrap();
    let at = |seconds| statistics.begin + Duration::from_secs(seconds);
    let (begin, half, end) = (at(0), at(5), at(10));
    statistics.record(Sizes::default(), Counts::default(), begin);
    statistics.record(Sizes::default(), Counts([1; 8]), half);
    statistics.end_life();
    statistics.record(SIZES, COUNTS, end);
    // Not yet time for another line.
    statistics.record(SIZES, COUNTS, end);
    statistics.finish().iter().map(ToString::to_string).collect()
}

#[test]
fn lines_have_the_columns_of_the_header_behind_their_number() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.stats");
    assert!(run(&file, &folder.path().join("x.sca")).is_empty());
    let text = std::fs::read_to_string(file).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert_eq!(
        lines[0],
        "AbsTime RelTime Runtime UserTime SystemTime   Peers Pools PoolElements OwnedPoolElements   Registrations \
         Reregistrations Deregistrations HandleResolutions FailureReports Synchronizations HandleUpdates EndpointKeepAlives"
    );
    let columns = lines[0].split_whitespace().count();
    assert!(lines[1..].iter().all(|line| line.split_whitespace().count() == columns + 1), "{text}");
    let groups: Vec<_> = lines[3].split("   ").collect();
    // Counts of the life before are in it.
    assert_eq!(groups[2..], ["1 2 4 3", "9 8 2 4 1 3 6 7"], "{text}");
    let times: Vec<_> = groups[0].split(' ').collect();
    assert_eq!((times[0], times[2]), ("000003", "10.000000"));
    assert_eq!(groups[1].split(' ').count(), 3);
    assert!((times[1].parse::<f64>().unwrap() - now()).abs() < 60.0, "{text}");
}

#[test]
fn totals_and_averages_are_as_rsplib_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let scalar = folder.path().join("x.sca");
    assert!(run(&folder.path().join("s.stats"), &scalar).is_empty());
    let expected = "\
run 1 \"scenario\"
scalar \"OBJ\" \"Registrar Total Registrations\"               9
scalar \"OBJ\" \"Registrar Total Reregistrations\"             8
scalar \"OBJ\" \"Registrar Total Deregistrations\"             2
scalar \"OBJ\" \"Registrar Total Handle Resolutions\"          4
scalar \"OBJ\" \"Registrar Total Failure Reports\"             1
scalar \"OBJ\" \"Registrar Total Synchronizations\"            3
scalar \"OBJ\" \"Registrar Total Handle Updates\"              6
scalar \"OBJ\" \"Registrar Total Endpoint Keep Alives\"        7
scalar \"OBJ\" \"Registrar Average Number Of Pools\"               1.000000
scalar \"OBJ\" \"Registrar Average Number Of Pool Elements\"       2.000000
scalar \"OBJ\" \"Registrar Average Number Of Owned Pool Elements\" 1.500000
scalar \"OBJ\" \"Registrar Average Number Of Peers\"               0.500000
";
    assert_eq!(std::fs::read_to_string(scalar).unwrap(), expected);
}

#[test]
fn a_file_that_is_named_so_is_compressed_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.stats.bz2");
    assert!(run(&file, &folder.path().join("x.sca")).is_empty());
    let mut text = String::new();
    BzDecoder::new(File::open(file).unwrap()).read_to_string(&mut text).unwrap();
    assert!(text.starts_with("AbsTime ") && text.contains("\n000003 "), "{text}");
}

#[test]
fn what_lacks_its_end_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.stats.bz2");
    std::os::unix::fs::symlink("/dev/full", &file).unwrap();
    let errors = run(&file, Path::new("/dev/full"));
    let named = [format!("cannot write {}: ", file.display()), "cannot write /dev/full: ".into()];
    assert_eq!(errors.len(), named.len(), "{errors:?}");
    assert!(errors.iter().zip(&named).all(|(error, named)| error.starts_with(named)), "{errors:?}");
}

#[test]
fn a_file_that_cannot_be_made_is_named() {
    let start = Statistics::start(Some(Path::new("/nonexistent/s")), Duration::from_secs(1), None);
    let error = start.err().unwrap().to_string();
    assert!(error.starts_with("cannot write /nonexistent/s: "), "{error}");
}
