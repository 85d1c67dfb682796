// Starts what every page has; what only some have is in scripts of their own, which those pages name. Everything here
// improves on plain HTML, and nothing depends on it.
import { startClocks } from "./clock.js";
import { startCopying } from "./copy.js";
import { startForms } from "./forms.js";
import { startKeys } from "./keys.js";
import { startLive } from "./live.js";
import { startNotifications } from "./notify.js";
import { startShell } from "./shell.js";

startClocks();
startShell();
startForms();
startCopying();
startKeys();
startLive();
startNotifications();
