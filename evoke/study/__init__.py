"""Ask people: design a study of preferences as CoEmoGen's (Fig. 6), show it as one page, and tally its answers."""
