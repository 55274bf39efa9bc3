//! Replays the committed corpus through every target, as it is and damaged.

use sctp_fuzz::TARGETS;
use std::path::PathBuf;

/// The inputs of a target's corpus with their names.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    files.sort();
    let read = |path: PathBuf| (path.display().to_string(), std::fs::read(&path).expect("it can be read"));
    files.into_iter().map(read).collect()
}

#[test]
fn every_target_has_a_corpus_and_takes_all_of_it() {
    for (name, target) in TARGETS {
        let inputs = corpus(name);
        assert!(!inputs.is_empty(), "corpus/{name} is empty");
        for (file, input) in inputs {
            println!("{file}");
            target(&input);
        }
    }
}

#[test]
fn every_target_takes_its_corpus_cut_off_at_any_byte() {
    for (name, target) in TARGETS {
        for (file, input) in corpus(name) {
            println!("{file}");
            (0..input.len()).for_each(|end| target(&input[..end]));
        }
    }
}

/// Each byte is set to values on which lengths, counts and types turn.
#[test]
fn every_target_takes_its_corpus_with_any_byte_changed() {
    for (name, target) in TARGETS {
        for (file, mut input) in corpus(name) {
            println!("{file}");
            for at in 0..input.len().min(200) {
                let original = input[at];
                for value in [0, 1, 3, 5, 0x7f, 0x80, 0xff, original ^ 1] {
                    input[at] = value;
                    target(&input);
                }
                input[at] = original;
            }
        }
    }
}
