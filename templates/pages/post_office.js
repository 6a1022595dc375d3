// Looks for new mail now and then and says so; the page works without it.
"use strict";
(function () {
  var note = document.getElementById("news");
  var seen = note && note.dataset.seen;
  if (!note) { return; }
  var rounds = 0;
  var timer = setInterval(function () {
    rounds += 1;
    if (rounds > 1800) { clearInterval(timer); return; }
    fetch("/post-office/count").then(function (answer) { return answer.text(); }).then(function (count) {
      if (count.trim() !== seen) { note.hidden = false; }
    }).catch(function () { clearInterval(timer); });
  }, 2000);
})();
