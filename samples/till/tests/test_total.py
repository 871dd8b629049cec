import unittest

from till.total import discount, tax, total


class Discount(unittest.TestCase):
    def test_a_part_of_the_amount(self):
        self.assertEqual(discount(80, 25), 20)

    def test_rounded_to_the_cent(self):
        self.assertEqual(discount(9.99, 15), 1.5)

    def test_none(self):
        self.assertEqual(discount(10, 0), 0)


class Tax(unittest.TestCase):
    def test_a_part_of_the_amount(self):
        self.assertEqual(tax(100, 19), 19)

    def test_rounded_to_the_cent(self):
        self.assertEqual(tax(1.99, 7), 0.14)


class Total(unittest.TestCase):
    def test_no_prices(self):
        self.assertEqual(total([]), 0)

    def test_the_sum(self):
        self.assertEqual(total([0.1, 0.2]), 0.3)

    def test_with_the_tax(self):
        self.assertEqual(total([50, 50], 19), 119)

    def test_rounded_to_the_cent(self):
        self.assertEqual(total([1.0], 19), 1.19)
        self.assertEqual(total([0.333, 0.333]), 0.67)


if __name__ == "__main__":
    unittest.main()
