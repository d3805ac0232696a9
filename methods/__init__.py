"""Attribution methods: one file a method or a family; a leading underscore hides a file."""
