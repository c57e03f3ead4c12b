//! Default models that were built from a checkout, in the caches of `argos-image`: `ARGOS_CACHE`, else
//! `XDG_CACHE_HOME/argos`, else `~/.cache/argos`.
//!
//! ```text
//! CACHE/model/HASH/default, libonnxruntime.so     a model, by what it was made of
//! CACHE/model/checkouts/PATH/.model               link to the HASH that the checkout in PATH made or took last
//! ```

use std::path::{Path, PathBuf};

/// What the default model's folder is called beside its runtime.
const DEFAULT: &str = "default";

/// The models of one cache, seen from one folder.
#[derive(Debug)]
pub(crate) struct Built {
    models: PathBuf,
    /// The checkout that the folder is in.
    checkout: Option<PathBuf>,
}

impl Built {
    /// As this program is called.
    pub(crate) fn here() -> Option<Self> {
        let named = |variable: &str| {
            let value = std::env::var_os(variable).filter(|v| !v.is_empty())?;
            Some(PathBuf::from(value))
        };
        let cache = named("ARGOS_CACHE").or_else(|| {
            let caches =
                named("XDG_CACHE_HOME").or_else(|| Some(std::env::home_dir()?.join(".cache")))?;
            Some(caches.join("argos"))
        })?;
        Some(Self::of(
            &cache,
            &std::env::current_dir().unwrap_or_default(),
        ))
    }

    fn of(cache: &Path, folder: &Path) -> Self {
        let is_checkout = |folder: &&Path| folder.join("ai/train/build.sh").is_file();
        Self {
            models: cache.join("model"),
            checkout: folder.ancestors().find(is_checkout).map(Path::to_owned),
        }
    }

    /// The default model of the checkout.
    pub(crate) fn of_checkout(&self) -> Option<PathBuf> {
        let path = self.checkout.as_ref()?;
        let path = path.strip_prefix("/").unwrap_or(path);
        let link = self.models.join("checkouts").join(path).join(".model");
        // Whole, since its runtime is looked for beside it.
        let model = std::fs::canonicalize(link).ok()?.join(DEFAULT);
        model.join("planner.json").exists().then_some(model)
    }

    /// The newest default model, of whatever checkout.
    pub(crate) fn newest(&self) -> Option<PathBuf> {
        let all = std::fs::read_dir(&self.models)
            .into_iter()
            .flatten()
            .flatten();
        all.map(|entry| entry.path().join(DEFAULT))
            .filter_map(|f| Some((f.join("planner.json").metadata().ok()?.modified().ok()?, f)))
            .max()
            .map(|(_, folder)| folder)
    }

    /// ONNX Runtime, as it was laid beside the model that counts here.
    pub(crate) fn runtime(&self) -> Option<PathBuf> {
        let model = self.of_checkout().or_else(|| self.newest())?;
        let library = model.with_file_name("libonnxruntime.so");
        library.exists().then_some(library)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_of_this_checkout_is_before_the_newest() {
        let folder = tempfile::tempdir().unwrap();
        let root = std::fs::canonicalize(folder.path()).unwrap();
        let cache = root.join("cache");
        let (one, other) = (root.join("one"), root.join("other"));
        for checkout in [&one, &other] {
            std::fs::create_dir_all(checkout.join("ai/train")).unwrap();
            std::fs::write(checkout.join("ai/train/build.sh"), "").unwrap();
        }
        std::fs::create_dir_all(one.join("docs/images")).unwrap();
        let seen_from = |folder: &Path| Built::of(&cache, folder);
        assert_eq!(
            (seen_from(&one).of_checkout(), seen_from(&one).newest()),
            (None, None)
        );

        let (old, new) = (cache.join("model/0"), cache.join("model/1"));
        for (age, model) in [(3600, &old), (0, &new)] {
            std::fs::create_dir_all(model.join("default")).unwrap();
            let file = std::fs::File::create(model.join("default/planner.json")).unwrap();
            let then = std::time::SystemTime::now() - std::time::Duration::from_secs(age);
            file.set_modified(then).unwrap();
            std::fs::write(model.join("libonnxruntime.so"), "").unwrap();
        }
        let note = cache
            .join("model/checkouts")
            .join(one.strip_prefix("/").unwrap());
        std::fs::create_dir_all(&note).unwrap();
        std::os::unix::fs::symlink(&old, note.join(".model")).unwrap();

        for folder in [one.clone(), one.join("docs/images")] {
            let built = seen_from(&folder);
            assert_eq!(built.of_checkout(), Some(old.join("default")));
            assert_eq!(built.runtime(), Some(old.join("libonnxruntime.so")));
        }
        for folder in [&other, &root] {
            let built = seen_from(folder);
            assert_eq!(built.of_checkout(), None);
            assert_eq!(built.newest(), Some(new.join("default")));
            assert_eq!(built.runtime(), Some(new.join("libonnxruntime.so")));
        }
        // What was cleaned away meanwhile is none.
        std::fs::remove_dir_all(&old).unwrap();
        assert_eq!(seen_from(&one).of_checkout(), None);
    }
}
