//! Multiplication modulo the 2048-bit prime of [`BELENIOS-2048`](super::group), on numbers in Montgomery's form.
//!
//! What a machine does slowly here is the multiplication of two words: about two cycles each on the processors this was measured
//! on, whatever the language. So the aim is few of them, and additions that need no carry between words. A number stands in 34
//! limbs of 61 bits. A column of a product is then a sum of at most 34 products below 2^122, and the reduction adds at most 18
//! more of that size (the limbs of the prime sum up to less than 18 × 2^61), which is less than 2^128: a column is one `u128`,
//! added up without a look at carries. Products and squares are cut in two halves of 17 limbs by Karatsuba's rule, three products
//! for four; its middle product may pass 2^128 and wraps, but what remains after the subtraction is a column of the true product,
//! which does not. Figures are in `benches/belenios.rs`.
//!
//! Montgomery's factor is R = 2^(34 × 61) = 2^2074, more than 2^25 times the prime. So numbers below twice the prime give
//! a result below twice the prime, and no step compares or subtracts: nothing here depends on the numbers but by value, and the
//! time it takes tells nothing of them.

/// Limbs of a number.
pub(super) const LIMBS: usize = 34;
/// Bits of a limb.
pub(super) const LIMB_BITS: usize = 61;

const HALF: usize = LIMBS / 2;
const COLUMNS: usize = 2 * HALF - 1;
const MASK: u64 = (1 << LIMB_BITS) - 1;

/// A number, least limb first.
pub(super) type Limbs = [u64; LIMBS];
type Half = [u64; HALF];
type HalfProduct = [u128; COLUMNS];
type Product = [u128; 2 * LIMBS];

/// The prime.
#[rustfmt::skip]
pub(super) const P: Limbs = [
    0x19ce_c415_7646_e64f, 0x12cf_0731_a8f0_28f6, 0x13db_3bc5_f5c1_cc07, 0x15ff_446e_bc53_3368, 0x0cfa_04ee_4008_f878,
    0x0408_4a0f_010d_b526, 0x02b3_d9a8_e209_556f, 0x1a1e_3198_eb39_6bbc, 0x1911_acdd_4a0e_7992, 0x1008_4206_8416_c618,
    0x0476_6634_f8fe_b6a7, 0x1790_b04f_3550_b328, 0x1099_b607_f18f_b1a8, 0x1b3a_3f5d_d94e_4f61, 0x0622_d1ac_0194_5f5b,
    0x0c5e_9ae4_5357_d274, 0x0843_a3e1_4dfa_9b21, 0x0c53_5a7f_0bec_6a3f, 0x1b1f_af05_68d2_7e8c, 0x1a14_8123_b1f4_88fe,
    0x1074_3501_2768_a2cd, 0x13d2_8116_eec4_8968, 0x1ee3_0eaa_fffc_4b38, 0x18dd_0558_6dbc_35c7, 0x1d97_3f9c_53e5_0930,
    0x02f0_7d88_e076_f03e, 0x04a9_256b_e35e_68be, 0x029d_a817_fa98_0dc1, 0x0856_b428_0304_21f5, 0x0e90_fe1a_f90f_369b,
    0x0e9e_46da_189e_4604, 0x199b_ff61_f6fb_8fde, 0x1fef_b1b6_e39e_568f, 0x0000_0005_1f79_6808,
];

/// R² modulo the prime: multiplied by it, a number gets Montgomery's form.
#[rustfmt::skip]
pub(super) const R_SQUARED: Limbs = [
    0x1536_9e17_20a4_4bf0, 0x1ca7_3c81_31f5_d7c1, 0x1d31_cd85_1e98_6695, 0x0ec3_6208_209f_c381, 0x1cce_9747_8ff5_ea13,
    0x0629_b94e_eb2d_1e23, 0x0264_2b87_b32e_891a, 0x07bb_9f30_92f3_fa31, 0x14e6_328c_d8a4_adca, 0x1a1c_a1b2_7008_1196,
    0x1011_1210_d532_4913, 0x0f2c_9703_9872_dec6, 0x00c5_cdd5_457e_3923, 0x1572_ce47_91f0_59a3, 0x0d35_51bd_285f_bb04,
    0x0167_0d07_2492_097c, 0x0e84_65f7_c424_d969, 0x1dfc_0d20_cdfe_c67d, 0x1199_9494_fa40_c912, 0x0eb0_d48a_14e2_7b1b,
    0x0fa7_e08a_6200_26eb, 0x17e6_2f10_f612_df80, 0x1abb_f1da_3a36_8e30, 0x0912_c40b_1a28_a9ff, 0x087c_100a_c9f8_5fcc,
    0x148e_9fec_c075_b94e, 0x0d2a_a56e_735b_e7b0, 0x17ec_0ff6_c523_af62, 0x0bdc_1fc8_96c8_e003, 0x1d77_ff8d_6938_e27b,
    0x148c_5d08_eab7_147b, 0x0e64_048c_42fe_ff4b, 0x10d4_7453_e173_cc0f, 0x0000_0000_1a5c_aac4,
];

/// R modulo the prime: the number 1 in Montgomery's form.
#[rustfmt::skip]
pub(super) const ONE: Limbs = [
    0x05f9_889b_a5d2_f7bf, 0x1c7d_cc35_1f17_6105, 0x09cb_987d_e9a3_1804, 0x154e_6197_bd70_5667, 0x0b13_47a9_8edf_aa88,
    0x06e7_22ca_fe05_0716, 0x0127_95d0_a22c_c817, 0x06e3_50a9_99e4_8cde, 0x05a3_31da_6632_bc46, 0x008f_d29b_9dd9_8060,
    0x0bce_4c9d_430f_9ab7, 0x1bbf_5a6e_8c4c_328b, 0x0f83_a328_5bdf_4331, 0x199a_e132_d6bb_7597, 0x1d27_c88c_1a81_f399,
    0x06bc_6ef1_7cbc_0feb, 0x0598_46e8_a6af_097f, 0x053e_5c4f_bb13_0983, 0x10cc_f5b2_abfc_445b, 0x1910_b13b_0c77_595a,
    0x1743_c6da_d95f_23e0, 0x0766_ded0_da3e_12ad, 0x0052_5f01_7514_776d, 0x106a_5b81_cb30_ad39, 0x0903_3115_534e_d02c,
    0x15f8_d936_c8a0_4c86, 0x06db_2dc4_ce8c_dabc, 0x1ebc_0248_8d97_0e51, 0x1669_eb9a_44c0_6b31, 0x10ce_10d2_be5d_84fd,
    0x1f96_78eb_a013_6ddd, 0x1082_eff2_a332_c883, 0x07d7_edec_4364_90a3, 0x0000_0001_0e07_5eeb,
];

/// -1/P modulo 2^61.
const MINUS_INVERSE: u64 = 0x1e7e_4d1b_f8a5_8f51;

const LOW: Half = half(0);
const HIGH: Half = half(HALF);

const fn half(from: usize) -> Half {
    let mut found = [0; HALF];
    let mut i = 0;
    while i < HALF {
        found[i] = P[from + i];
        i += 1;
    }
    found
}

#[inline(always)]
fn wide(a: u64, b: u64) -> u128 {
    u128::from(a) * u128::from(b)
}

/// Column `K` of a product.
#[inline(always)]
fn column<const K: usize>(a: &Half, b: &Half) -> u128 {
    let last = if K < HALF { K } else { HALF - 1 };
    let mut sum = 0_u128;
    let mut i = K - last;
    while i <= last {
        sum = sum.wrapping_add(wide(a[i], b[K - i]));
        i += 1;
    }
    sum
}

/// Column `K` of a square.
#[inline(always)]
fn square_column<const K: usize>(a: &Half) -> u128 {
    let last = if K < HALF { K } else { HALF - 1 };
    let mut sum = 0_u128;
    let mut i = K - last;
    while 2 * i < K {
        sum = sum.wrapping_add(wide(a[i], a[K - i]));
        i += 1;
    }
    sum = sum.wrapping_add(sum);
    if K.is_multiple_of(2) { sum.wrapping_add(wide(a[K / 2], a[K / 2])) } else { sum }
}

/// Writes each column out, so that the compiler has no loops to run.
macro_rules! columns {
    ($each:ident) => {
        $each!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32)
    };
}

#[inline(never)]
fn half_product(a: &Half, b: &Half) -> HalfProduct {
    macro_rules! each {
        ($($k:literal)*) => { [$(column::<$k>(a, b)),*] };
    }
    columns!(each)
}

#[inline(never)]
fn half_square(a: &Half) -> HalfProduct {
    macro_rules! each {
        ($($k:literal)*) => { [$(square_column::<$k>(a)),*] };
    }
    columns!(each)
}

#[inline(never)]
fn add_half_product(sum: &mut HalfProduct, a: &Half, b: &Half) {
    macro_rules! each {
        ($($k:literal)*) => {{ $(sum[$k] = sum[$k].wrapping_add(column::<$k>(a, b));)* }};
    }
    columns!(each);
}

/// The multiple of the prime that makes the lower 17 columns zero: adds its lower half, and gives the factor.
#[inline(never)]
fn reduce_half(columns: &mut [u128; COLUMNS + 1]) -> Half {
    let mut factor = [0; HALF];
    let mut carry = 0_u128;
    macro_rules! lower {
        ($($k:literal)*) => {{ $(
            let mut sum = columns[$k].wrapping_add(carry);
            for (i, own) in factor[..$k].iter().enumerate() {
                sum = sum.wrapping_add(wide(*own, LOW[$k - i]));
            }
            factor[$k] = (sum as u64).wrapping_mul(MINUS_INVERSE) & MASK;
            carry = sum.wrapping_add(wide(factor[$k], LOW[0])) >> LIMB_BITS;
        )* }};
    }
    lower!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16);
    columns[HALF] = columns[HALF].wrapping_add(carry);
    macro_rules! upper {
        ($($k:literal)*) => {{ $(columns[$k] = columns[$k].wrapping_add(column::<$k>(&factor, &LOW));)* }};
    }
    upper!(17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32);
    factor
}

/// The columns from `FROM` on.
#[inline(always)]
fn part<const FROM: usize, const LENGTH: usize>(columns: &mut Product) -> &mut [u128; LENGTH] {
    columns[FROM..FROM + LENGTH].first_chunk_mut().expect("within the product")
}

#[inline(always)]
fn halves(number: &Limbs) -> (Half, Half, Half) {
    let low: Half = std::array::from_fn(|i| number[i]);
    let high: Half = std::array::from_fn(|i| number[HALF + i]);
    let both = std::array::from_fn(|i| low[i] + high[i]);
    (low, high, both)
}

#[inline(always)]
fn join(low: &HalfProduct, high: &HalfProduct, both: &HalfProduct) -> Product {
    let mut product = [0; 2 * LIMBS];
    product[..COLUMNS].copy_from_slice(low);
    product[LIMBS..LIMBS + COLUMNS].copy_from_slice(high);
    let outer = low.iter().zip(high);
    for ((column, both), (low, high)) in product[HALF..].iter_mut().zip(both).zip(outer) {
        *column = column.wrapping_add(both.wrapping_sub(*low).wrapping_sub(*high));
    }
    product
}

/// Divided by R modulo the prime; below twice the prime.
#[inline(never)]
fn reduce(mut product: Product) -> Limbs {
    let factor = reduce_half(part::<0, { COLUMNS + 1 }>(&mut product));
    add_half_product(part::<HALF, COLUMNS>(&mut product), &factor, &HIGH);
    let factor = reduce_half(part::<HALF, { COLUMNS + 1 }>(&mut product));
    add_half_product(part::<LIMBS, COLUMNS>(&mut product), &factor, &HIGH);
    let mut carry = 0_u128;
    std::array::from_fn(|i| {
        let sum = product[LIMBS + i].wrapping_add(carry);
        carry = sum >> LIMB_BITS;
        sum as u64 & MASK
    })
}

/// `a × b / R` modulo the prime, below twice the prime, for numbers below twice the prime.
#[inline]
pub(super) fn multiply(a: &Limbs, b: &Limbs) -> Limbs {
    let (a_low, a_high, a_both) = halves(a);
    let (b_low, b_high, b_both) = halves(b);
    let both = half_product(&a_both, &b_both);
    reduce(join(&half_product(&a_low, &b_low), &half_product(&a_high, &b_high), &both))
}

/// `a × a / R` modulo the prime, below twice the prime, for a number below twice the prime.
#[inline]
pub(super) fn square(a: &Limbs) -> Limbs {
    let (low, high, both) = halves(a);
    reduce(join(&half_square(&low), &half_square(&high), &half_square(&both)))
}

/// `a / R` modulo the prime, below the prime.
pub(super) fn leave(a: &Limbs) -> Limbs {
    let mut product = [0; 2 * LIMBS];
    for (column, limb) in product.iter_mut().zip(a) {
        *column = u128::from(*limb);
    }
    below_prime(&reduce(product))
}

/// The same number below the prime, of one below twice the prime.
pub(super) fn below_prime(a: &Limbs) -> Limbs {
    let mut borrow = 0_u64;
    let less: Limbs = std::array::from_fn(|i| {
        let difference = a[i].wrapping_sub(P[i]).wrapping_sub(borrow);
        borrow = difference >> 63;
        difference & MASK
    });
    // All ones where the prime could not be taken away.
    let keep = borrow.wrapping_neg();
    std::array::from_fn(|i| (a[i] & keep) | (less[i] & !keep))
}
