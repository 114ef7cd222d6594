//! Shapes with curved sides: ellipse arcs where the reference has them, else a few Bézier curves fitted to its pixels.
//!
//! Halves that differ by two or three thousandths do so in the reference too.

use super::notation::{
    Shape::{Ellipse, Path, Rotated},
    ShapeTable,
    Units::{DesignPx, Natural},
    WHOLE,
};

// One shape a row.
#[rustfmt::skip]
pub(super) const TABLE: ShapeTable = &[
    ("circle", DesignPx, Ellipse),
    ("arc", Natural(234, 117), Path("M0 1000A500 1000 0 0 1 1000 1000Z")),
    ("rainbow", Natural(282, 141), Path("M0 1000A500 1000 0 0 1 1000 1000H663A163 326 0 0 0 337 1000Z")),
    // The door and the flag start here and run anticlockwise in the editor, which decides where dashes start.
    ("door", Natural(140, 207), Path("M1000 335A500 335 0 0 0 0 335V1000H1000Z")),
    ("cylinder", Natural(169, 255), Path("M0 144A500 144 0 0 1 1000 144V856A500 144 0 0 1 0 856Z")),
    ("magnet", Natural(187, 196), Path("M0 0H473A527 500 0 0 1 473 1000H0V655H472A165 155 0 0 0 472 345H0Z")),
    // Two half ellipses back to back.
    ("butterfly", Natural(187, 192),
        Path("M0 0A505 498 0 0 1 505 498A512 496 0 0 1 1000 0V996A512 496 0 0 1 505 498A505 498 0 0 1 0 996Z")),
    ("speechBubble", DesignPx, Path("M100 0H900A100 100 0 0 1 1000 100V700A100 100 0 0 1 900 800H600L500 1000 400 800H100\
        A100 100 0 0 1 0 700V100A100 100 0 0 1 100 0Z")),
    ("cloud", Natural(261, 163), Path("M501 125A182 293 0 0 1 828 350A202 327 0 0 1 798 1000H202A202 327 0 0 1 202 346\
        A182 297 0 0 1 501 125Z")),
    ("shell", Natural(218, 191),
        Path("M0 569A500 569 0 0 1 1000 569C855 569 729 703 729 879V1000H271V879C271 703 145 569 0 569Z")),
    ("keyhole", Natural(115, 219),
        Path("M265 490C86 435 6 348 6 258C6 122 217 0 506 0C767 0 1000 111 1000 262C1000 354 898 448 733 490\
        L1000 1000H0Z")),
    ("leaf", Natural(205, 205),
        Path("M1000 0C985 369 870 595 736 731C602 867 372 985 0 1000C2 712 94 433 263 264C432 95 708 2 1000 0Z")),
    ("drop1", Natural(167, 234), Path("M500 0C751 212 1000 445 1000 645C1000 837 778 1000 500 1000C222 1000 0 837 0 645\
        C0 445 249 212 500 0Z")),
    ("drop2", Natural(146, 239), Path("M500 0C661 324 1000 464 1000 692C1000 875 758 1000 500 1000C242 1000 0 875 0 692\
        C0 464 339 324 500 0Z")),
    ("heart1", Natural(216, 190),
        Path("M500 210C534 82 637 0 742 0C891 0 1000 137 1000 298C1000 379 965 445 928 494L500 997 76 501\
        C31 439 0 380 0 294C0 129 115 3 256 3C362 3 462 79 500 210Z")),
    ("kiss", Natural(249, 120),
        Path("M500 143C538 50 582 0 643 0C755 0 897 211 1000 441C904 714 729 1000 500 1000C271 1000 96 714 0 441\
        C103 211 245 0 357 0C418 0 462 50 500 143Z")),
    ("flag", Natural(206, 148), Path("M0 960C157 872 344 847 502 929C660 1011 841 1024 1000 955V76C841 145 660 132 502 50\
        C344 -32 157 -7 0 81Z")),
    ("pillow", Natural(176, 259), Path("M0 0C227 146 773 146 1000 0V998C773 852 227 852 0 998Z")),
    ("hourglass", Natural(188, 195),
        Path("M0 0H1000V30C1000 233 750 280 750 500C750 720 1000 767 1000 970V1000H0V970C0 767 250 720 250 500\
        C250 280 0 233 0 30Z")),
    ("mithosis", Natural(256, 145),
        Path("M0 493C0 195 143 0 272 0S404 99 504 99S600 10 729 10S1000 204 1000 507C1000 805 857 1000 728 1000\
        S596 901 496 901S400 990 271 990S0 796 0 493Z")),
    ("shield1", Natural(206, 249),
        Path("M500 0C622 74 810 125 986 124C995 248 1000 366 1000 402C1000 438 1004 617 979 669S836 830 500 1000\
        C164 830 46 721 21 669S0 438 0 402S5 248 14 124C190 125 378 74 500 0Z")),
    ("shield2", Natural(201, 240), Path("M0 54A1252 652 0 0 1 1000 54V533C1000 695 751 878 500 1000C249 878 0 695 0 533Z")),
    // Petals and points: one of them, turned about the middle.
    ("asterisk1", Natural(233, 225),
        Rotated { sector: "M-272 -374.4V-696A272 272 0 0 1 272 -696V-374.4", times: 5, within: WHOLE }),
    ("flower", Natural(212, 235),
        Rotated { sector: "M-252 -436.5C-288 -549 -294 -606 -294 -674C-294 -840 -190 -1000 0 -1000S294 -840 294 -674\
        C294 -606 288 -549 252 -436.5", times: 6, within: WHOLE }),
    ("softFlower", Natural(218, 218),
        Rotated { sector: "M-240 -260A240 240 0 0 1 240 -260A20 20 0 0 0 260 -240", times: 4, within: WHOLE }),
    ("softStar", Natural(268, 268),
        Rotated { sector: "M-13 -487A13 13 0 0 1 13 -487L31 -338C59 -180 180 -59 338 -31L487 -13", times: 4, within: WHOLE }),
];
