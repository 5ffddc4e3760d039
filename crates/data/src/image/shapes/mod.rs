//! An embedded source of pictures: ten coloured shapes in two domains.
