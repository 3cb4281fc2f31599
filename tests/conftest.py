"""Every test: hypothesis without a deadline, as the machine may be busy with other things."""

from hypothesis import settings

settings.register_profile("evoke", deadline=None)
settings.load_profile("evoke")
