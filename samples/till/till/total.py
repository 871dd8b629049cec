"""What a till adds up, in euros."""


def discount(amount, percent):
    """The discount on an amount, rounded to the cent."""
    return round(amount * percent / 100, 2)


def tax(amount, percent):
    """The tax on an amount, rounded to the cent."""
    return round(amount * percent / 100, 2)


def total(prices, percent=0):
    """The sum of the prices with the tax, rounded to the cent."""
    amount = sum(prices)
    return round(amount + tax(amount, percent), 1)
