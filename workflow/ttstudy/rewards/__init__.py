"""Process reward models: formats, scoring engines and how to open one."""
