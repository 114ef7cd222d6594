//! Shapes with straight sides, after the table in rendering.md §8.2.

use super::{
    Shape::{Path, Rect, Regular, Star, Turned},
    Table,
};

// One shape a row.
#[rustfmt::skip]
pub(super) const TABLE: Table = &[
    ("rect", Rect),
    ("star", Star { tips: 5, notch: 250.0 }),
    // A star of 21 tips, but not quite regular.
    ("party", Turned { sector: "M-37.3 -247.5L0 -500 37.3 -247.5", times: 21, within: (2.0, 2.0, 995.0, 996.0) }),
    ("pentagon", Regular { corners: 5 }),
    ("hexagon", Regular { corners: 6 }),
    // An almost regular hexagon, stretched to nearly the whole width.
    ("polygon", Path("M500 0 996 250V750L500 1000 4 750V250Z")),
    ("triangle", Path("M500 0 1000 1000H0Z")),
    ("rightTriangle", Path("M0 0H1000L0 1000Z")),
    ("diamond", Path("M500 0 1000 500 500 1000 0 500Z")),
    ("diamond2", Path("M237 0H763L1000 300 500 1000 0 300Z")),
    ("skewedRectangle", Path("M297 0H1000L703 1000H0Z")),
    ("cross", Path("M350 0H650V350H1000V650H650V1000H350V650H0V350H350Z")),
    ("asterisk2", Path("M351 0H649V237L851 119 1000 381 799 500 1000 619 851 881 649 763V1000H351V763\
        L149 881 0 619 201 500 0 381 149 119 351 237Z")),
    ("rightArrow", Path("M0 250H600V0L1000 500 600 1000V750H0Z")),
    ("leftArrow", Path("M1000 750H400V1000L0 500 400 0V250H1000Z")),
    ("upArrow", Path("M500 0 1000 400H750V1000H250V400H0Z")),
    ("downArrow", Path("M500 1000 0 600H250V0H750V600H1000Z")),
    ("bookmark", Path("M0 0H1000V1000L500 600 0 1000Z")),
    ("frame", Path("M0 0H1000L833 500 1000 1000H0L167 500Z")),
    ("home", Path("M500 0 1000 318V1000H0V318Z")),
    // The traces and the reference's pixels say .152 and .852 where the table says .15 and .85.
    ("home2", Path("M500 0 1000 498H852V1000H152V498H0Z")),
    ("house", Path("M500 0 1000 414V1000H0V414Z")),
    ("lightning1", Path("M779 0 640 439H1000L221 1000 360 561H0Z")),
    ("lightning2", Path("M1000 0 579 354H872L48 1000 286 531H0L341 0Z")),
    ("explosion", Path("M332 2 456 343 635 40 572 376 830 117 635 435 941 313 635 553 999 554 635 709 \
        456 999 480 700 135 843 381 615 0 630 302 517 1 288 331 343Z")),
    // Pieces and steps made of squares.
    ("orangeRicky", Path("M0 0H500V667H1000V1000H0Z")),
    ("rhodeIsland", Path("M0 0H500V333H1000V1000H500V667H0Z")),
    ("teewee", Path("M333 0H667V500H1000V1000H0V500H333Z")),
    ("stairs1", Path("M0 0H333V333H667V667H1000V1000H0Z")),
    ("stairs2", Path("M0 0H250V250H500V500H750V750H1000V1000H0Z")),
];
