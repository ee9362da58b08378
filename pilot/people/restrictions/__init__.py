"""A record that is kept but not used: restriction, as a patient may ask for it, and what it stops."""
