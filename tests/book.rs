//! The blocks of the book that say so are run, in a copy of the fixtures that they name, and print what they show.

use anyhow::{Context, Result};
use std::{
    path::{Path, PathBuf},
    process::Command,
};
use tests::{fixture, program};

/// A block to run: the folder of the fixtures, the exit code of its last command, and its lines.
struct Block {
    folder: String,
    exit: i32,
    lines: Vec<String>,
}

/// The blocks after `<!-- run in: FOLDER, exit N -->`.
fn blocks(text: &str) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    for part in text.split("<!-- run in: ").skip(1) {
        let (head, rest) = part.split_once(" -->\n```console\n").context("a block follows")?;
        let (folder, exit) = head.split_once(", exit ").unwrap_or((head, "0"));
        let (lines, _) = rest.split_once("\n```").context("the block ends")?;
        let lines = lines.lines().map(str::to_owned).collect();
        blocks.push(Block { folder: folder.to_owned(), exit: exit.parse()?, lines });
    }
    Ok(blocks)
}

/// Whether a line is as shown, where `…` stands for anything.
fn is_shown(shown: &str, line: &str) -> bool {
    let mut rest = line;
    let parts: Vec<_> = shown.split('…').collect();
    let (first, others) = parts.split_first().expect("a split has a part");
    let Some(after) = rest.strip_prefix(first) else { return false };
    rest = after;
    for (index, part) in others.iter().enumerate() {
        let last = index + 1 == others.len();
        match if last && !part.is_empty() {
            rest.strip_suffix(part).map(|_| rest.len())
        } else {
            rest.find(part).map(|at| at + part.len())
        } {
            Some(end) => rest = &rest[end..],
            None => return false,
        }
        if last && part.is_empty() {
            rest = "";
        }
    }
    rest.is_empty()
}

/// Runs a block in a folder; gives what differs from what it shows.
fn run(block: &Block, folder: &Path) -> Result<()> {
    let path = program().parent().context("a program is in a folder")?.display().to_string();
    let path = format!("{path}:{}", std::env::var_os("PATH").unwrap_or_default().display());
    let commands: Vec<_> =
        block.lines.iter().enumerate().filter(|(_, line)| line.starts_with("$ ")).map(|(at, _)| at).collect();
    for (index, at) in commands.iter().enumerate() {
        let end = commands.get(index + 1).copied().unwrap_or(block.lines.len());
        let output = Command::new("bash")
            .args(["-c", &block.lines[*at][2..]])
            .current_dir(folder)
            .env("PATH", &path)
            .output()?;
        let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let wanted = if end == block.lines.len() { block.exit } else { 0 };
        anyhow::ensure!(
            output.status.code() == Some(wanted),
            "{}\nexit {:?}\n{told}",
            block.lines[*at],
            output.status.code()
        );
        for shown in block.lines[at + 1..end].iter().filter(|line| *line != "…") {
            anyhow::ensure!(
                told.lines().any(|line| is_shown(shown, line)),
                "{}\nshows `{shown}`, and prints\n{told}",
                block.lines[*at]
            );
        }
    }
    Ok(())
}

#[test]
fn the_book_shows_what_happens() -> Result<()> {
    let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/book/src");
    let mut chapters: Vec<PathBuf> = book.read_dir()?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    chapters.sort();
    let summary = std::fs::read_to_string(book.join("SUMMARY.md"))?;
    let mut count = 0;
    for chapter in chapters.iter().filter(|chapter| !chapter.ends_with("SUMMARY.md")) {
        let name = chapter.file_name().unwrap_or_default().to_string_lossy().into_owned();
        assert!(summary.contains(&format!("({name})")), "the summary has {name}");
        for block in blocks(&std::fs::read_to_string(chapter)?)? {
            let folder = tempfile::tempdir()?;
            let copied =
                Command::new("cp").arg("-r").arg(fixture(&block.folder)).arg(folder.path().join("x")).status()?;
            anyhow::ensure!(copied.success(), "cp copies {}", block.folder);
            run(&block, &folder.path().join("x")).with_context(|| name.clone())?;
            count += 1;
        }
    }
    assert!(count >= 5, "{count} blocks");
    Ok(())
}

#[test]
fn a_line_that_is_not_printed_is_seen() {
    assert!(is_shown("PASSED a…", "PASSED a in 3 s") && is_shown("  F14  …", "  F14  x") && is_shown("a…c", "abc"));
    assert!(
        !is_shown("PASSED b…", "PASSED a in 3 s")
            && !is_shown("PASSED a", "PASSED a in 3 s")
            && !is_shown("a…d", "abc")
    );
}
