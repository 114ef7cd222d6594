//! Shapes with straight sides, after the table in rendering.md §8.2.

use super::notation::{
    Shape::{Path, Rect, RegularPolygon, Rotated, Star},
    ShapeTable,
    Units::{DesignPx, Natural},
};

// One shape a row.
#[rustfmt::skip]
pub(super) const TABLE: ShapeTable = &[
    ("rect", DesignPx, Rect),
    ("star", DesignPx, Star { tips: 5, notch: 250.0 }),
    // A star of 21 tips that is not quite regular.
    ("party", Natural(270, 270),
        Rotated { sector: "M-37.3 -247.5L0 -500 37.3 -247.5", times: 21, within: (2.0, 2.0, 995.0, 996.0) }),
    ("pentagon", DesignPx, RegularPolygon { corners: 5 }),
    ("hexagon", DesignPx, RegularPolygon { corners: 6 }),
    // An almost regular hexagon, stretched to nearly the whole width.
    ("polygon", Natural(220, 252), Path("M500 0 996 250V750L500 1000 4 750V250Z")),
    ("triangle", DesignPx, Path("M500 0 1000 1000H0Z")),
    ("rightTriangle", DesignPx, Path("M0 0H1000L0 1000Z")),
    ("diamond", DesignPx, Path("M500 0 1000 500 500 1000 0 500Z")),
    ("diamond2", Natural(248, 185), Path("M237 0H763L1000 300 500 1000 0 300Z")),
    ("skewedRectangle", Natural(290, 141), Path("M297 0H1000L703 1000H0Z")),
    ("cross", DesignPx, Path("M350 0H650V350H1000V650H650V1000H350V650H0V350H350Z")),
    ("asterisk2", Natural(228, 224), Path("M351 0H649V237L851 119 1000 381 799 500 1000 619 851 881 649 763V1000H351V763\
        L149 881 0 619 201 500 0 381 149 119 351 237Z")),
    ("rightArrow", DesignPx, Path("M0 250H600V0L1000 500 600 1000V750H0Z")),
    ("leftArrow", DesignPx, Path("M1000 750H400V1000L0 500 400 0V250H1000Z")),
    ("upArrow", DesignPx, Path("M500 0 1000 400H750V1000H250V400H0Z")),
    ("downArrow", DesignPx, Path("M500 1000 0 600H250V0H750V600H1000Z")),
    ("bookmark", Natural(199, 238), Path("M0 0H1000V1000L500 600 0 1000Z")),
    ("frame", Natural(240, 176), Path("M0 0H1000L833 500 1000 1000H0L167 500Z")),
    ("home", Natural(191, 195), Path("M500 0 1000 318V1000H0V318Z")),
    // The traces and the reference's pixels have .152 and .852; the table has .15 and .85.
    ("home2", Natural(206, 189), Path("M500 0 1000 498H852V1000H152V498H0Z")),
    ("house", Natural(190, 223), Path("M500 0 1000 414V1000H0V414Z")),
    ("lightning1", Natural(143, 253), Path("M779 0 640 439H1000L221 1000 360 561H0Z")),
    ("lightning2", Natural(126, 227), Path("M1000 0 579 354H872L48 1000 286 531H0L341 0Z")),
    ("explosion", Natural(261, 260), Path("M332 2 456 343 635 40 572 376 830 117 635 435 941 313 635 553 999 554 635 709 \
        456 999 480 700 135 843 381 615 0 630 302 517 1 288 331 343Z")),
    // Shapes made of squares.
    ("orangeRicky", Natural(138, 207), Path("M0 0H500V667H1000V1000H0Z")),
    ("rhodeIsland", Natural(138, 207), Path("M0 0H500V333H1000V1000H500V667H0Z")),
    ("teewee", Natural(207, 138), Path("M333 0H667V500H1000V1000H0V500H333Z")),
    ("stairs1", Natural(203, 203), Path("M0 0H333V333H667V667H1000V1000H0Z")),
    ("stairs2", Natural(200, 200), Path("M0 0H250V250H500V500H750V750H1000V1000H0Z")),
];
