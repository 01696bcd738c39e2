"""The foundation of all feature modules. Core refers to no module by name."""

import os

# Motor runs each command in a thread, and reads this setting when it is first imported. Its default of five threads per
# processor is too few: change streams and slow commands would hold them all. A thread starts only when the others are
# busy. With as many threads as connections (`maxPoolSize`), a command waits for a connection rather than for a thread,
# and the driver limits that wait.
os.environ.setdefault("MOTOR_MAX_WORKERS", "100")
