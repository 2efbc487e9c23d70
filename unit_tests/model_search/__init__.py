"""A search for schedules under which the connector loses something: the model of an uneven Vitess, and an adversary."""
