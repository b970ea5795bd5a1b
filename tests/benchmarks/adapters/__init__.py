"""One adapter a system: how it does each piece of work, through its public interface, the fastest way it offers."""
