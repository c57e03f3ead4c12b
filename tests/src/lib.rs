//! Drives a booted ArgOS as a person would: typed keys and a pointer by QEMU's monitor, eyes by
//! screenshots, and, since the tests have to know what a person cannot see, a root shell that only
//! the test profile's image has.
//!
//! [`machine::Machine`] is the virtual machine, [`screen::Screen`] a picture of its screen,
//! [`scenario`] what is run and how a failure is kept. The scenarios themselves are in the program.

pub mod keys;
pub mod machine;
pub mod qmp;
pub mod scenario;
pub mod screen;
pub mod shell;

#[cfg(test)]
mod tests {
    /// Links of the documentation lead to files that are there, and to headings in them.
    #[test]
    fn documentation_links_resolve() {
        let mut wrong = Vec::new();
        let mut seen = 0;
        for link in argos_docs::pages().iter().flat_map(argos_docs::Page::links) {
            seen += 1;
            if !link.file.exists() {
                wrong.push(format!(
                    "{}: {} is not there",
                    link.place,
                    link.file.display()
                ));
            } else if let Some(anchor) = link.anchor {
                let name = link.file.strip_prefix(argos_docs::repository());
                let page = argos_docs::page(&name.unwrap().display().to_string());
                if !page.anchors().contains(&anchor) {
                    wrong.push(format!("{}: {} has no #{anchor}", link.place, page.name));
                }
            }
        }
        assert!(seen > 0);
        assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    }

    /// The documentation is on the image, and its pictures with it.
    #[test]
    fn pictures_of_the_documentation_are_small() {
        const MOST: u64 = 4_000_000;
        let folder = argos_docs::repository().join("docs/images");
        let pictures = std::fs::read_dir(folder).unwrap();
        let sizes = pictures.map(|picture| picture.unwrap().metadata().unwrap().len());
        let all: u64 = sizes.sum();
        assert!(all > 0 && all < MOST, "docs/images has {all} bytes");
    }
}
