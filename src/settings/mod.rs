//! Settings: flags over environment over file. Nothing else reads the environment.
