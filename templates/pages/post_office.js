// Looks for new mail now and then and says so, and keeps the place when the language changes; the page works without it.
"use strict";
(function () {
  document.querySelectorAll("nav a").forEach(function (link) {
    link.addEventListener("click", function () { link.hash = location.hash; });
  });
  var note = document.getElementById("_news");
  if (!note) { return; }
  var rounds = 0;
  var timer = setInterval(function () {
    rounds += 1;
    if (rounds > 1800) { clearInterval(timer); return; }
    fetch("/post-office/count").then(function (answer) { return answer.text(); }).then(function (count) {
      if (count.trim() !== note.dataset.seen) { note.firstElementChild.hidden = false; }
    }).catch(function () { clearInterval(timer); });
  }, 2000);
})();
